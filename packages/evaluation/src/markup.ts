/** Text of HTML that is safe to put into a page as it is: what {@link markup} made. */
export class Markup {
  readonly #text: string;

  private constructor(text: string) {
    this.#text = text;
  }

  /** Takes text over as HTML. Only for what this program has drawn itself. */
  static drawn(text: string): Markup {
    return new Markup(text);
  }

  toString(): string {
    return this.#text;
  }
}

/** What can stand in a template. Texts and numbers are escaped, `undefined` is nothing, lists are joined. */
type Part = string | number | undefined | Markup | readonly Part[];

/** A template of HTML that escapes every part but those that are HTML already; attributes have to be in quotes. */
export function markup(texts: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return Markup.drawn(texts.reduce((page, text, index) => page + partText(parts[index - 1]) + text));
}

function partText(part: Part): string {
  if (part === undefined) return "";
  if (part instanceof Markup) return part.toString();
  if (Array.isArray(part)) return (part as readonly Part[]).map(partText).join("");
  // eslint-disable-next-line no-control-regex -- characters that HTML does not have
  const shown = String(part).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd");
  return shown.replace(/[&<>"'`]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

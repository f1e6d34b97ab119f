/** Characters that act on a terminal or change the order of others, and halves of characters. */
const acting =
  // eslint-disable-next-line no-control-regex -- these are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/**
 * A text from elsewhere (a name, a title, a line of another program) as it may be printed: on one line, without control characters, which
 * are written as in JSON, `\\u001b` and `\\n`.
 * @param most characters; a longer text is cut off with `…` (default 10 000).
 */
export function plainText(text: string, most: number = 10_000): string {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  return cut.replace(acting, (letter) => short[letter] ?? `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

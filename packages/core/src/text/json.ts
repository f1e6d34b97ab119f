import type { Json } from "../config.js";

/** Formats a value as JSON. Infinite numbers become the strings "Infinity" and "-Infinity"; NaN becomes `null`. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_, part: unknown) => (part === Infinity || part === -Infinity ? String(part) : part),
    indent,
  );
}

/** Casts a configuration of plain data to `Json`, since TypeScript does not accept an interface where any name may occur. */
export function asJson(data: object): Json {
  // eslint-disable-next-line no-restricted-syntax -- the one place of this cast
  return data as unknown as Json;
}

/** Nothing that is stored is nested deeper; functions that go through values one in another would run out of stack. */
const deepest = 200;
const [quote, backslash, bracket, brace] = [0x22, 0x5c, 0x5b, 0x7b];
const longestShown = 200;

/** Parses JSON that comes from anywhere. @throws SyntaxError for invalid JSON, and for lists and objects in more than 200 others. */
export function parseStoredJson(text: string): unknown {
  checkDepth(text);
  return JSON.parse(text);
}

/** As {@link parseStoredJson}, for what {@link jsonText} wrote. @throws SyntaxError. */
export function parseJson(text: string): unknown {
  checkDepth(text);
  return JSON.parse(text, (_, part: unknown) =>
    part === "Infinity" ? Infinity : part === "-Infinity" ? -Infinity : part,
  );
}

function checkDepth(text: string): void {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text.charCodeAt(at);
    if (isText && sign === backslash) at++;
    else if (sign === quote) isText = !isText;
    else if (!isText && (sign === bracket || sign === brace) && ++depth > deepest)
      throw new SyntaxError(`JSON is nested more than ${deepest} levels deep`);
    else if (!isText && (sign === bracket + 2 || sign === brace + 2)) depth--;
  }
}

/** A value as messages show it: JSON of at most 200 characters. */
export function shownJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // It holds itself, or is nested too deep.
  }
  text ??= String(value);
  return text.length > longestShown ? `${text.slice(0, longestShown)}…` : text;
}

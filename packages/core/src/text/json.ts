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

/** Parses what {@link jsonText} wrote. @throws SyntaxError for invalid JSON. */
export function parseJson(text: string): unknown {
  return JSON.parse(text, (_, part: unknown) =>
    part === "Infinity" ? Infinity : part === "-Infinity" ? -Infinity : part,
  );
}

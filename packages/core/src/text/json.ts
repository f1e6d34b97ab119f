import type { Json } from "../config.js";

/** A value as JSON of our files: infinite numbers are the texts "Infinity" and "-Infinity", NaN is `null`. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_, part: unknown) => (part === Infinity || part === -Infinity ? String(part) : part),
    indent,
  );
}

/** A configuration as JSON. A cast, since TypeScript does not accept an interface where any name may occur; give plain data only. */
export function asJson(data: object): Json {
  // eslint-disable-next-line no-restricted-syntax -- the one place of this cast
  return data as unknown as Json;
}

/** Reads what {@link jsonText} wrote. @throws SyntaxError. */
export function parseJson(text: string): unknown {
  return JSON.parse(text, (_, part: unknown) =>
    part === "Infinity" ? Infinity : part === "-Infinity" ? -Infinity : part,
  );
}

/** A value as JSON of our files: infinite numbers are the texts "Infinity" and "-Infinity", a number that is none is `null`. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_, part: unknown) => (part === Infinity || part === -Infinity ? String(part) : part),
    indent,
  );
}

/** Reads what {@link jsonText} wrote. @throws SyntaxError. */
export function parseJson(text: string): unknown {
  return JSON.parse(text, (_, part: unknown) =>
    part === "Infinity" ? Infinity : part === "-Infinity" ? -Infinity : part,
  );
}

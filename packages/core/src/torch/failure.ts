import { CoordTokError } from "../errors.js";

/** Throws an error that says what is wrong with a file. */
export type Fail = (problem: string) => never;

/** Returns the function that throws `file-format` errors about a file expected to be a PyTorch checkpoint. */
export function failureOf(source: string): Fail {
  return (problem) => {
    throw new CoordTokError("file-format", `Expected a PyTorch checkpoint, but in ${source} ${problem}.`);
  };
}

/** Quotes a name from an untrusted file for a message, shortened to 80 characters. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

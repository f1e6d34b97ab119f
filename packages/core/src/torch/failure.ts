import { CoordTokError } from "../errors.js";

/** Ends the reading with a sentence about what is wrong with the file. */
export type Fail = (problem: string) => never;

/** Sentences about a file that was expected to be a PyTorch checkpoint, `file-format`. */
export function failureOf(source: string): Fail {
  return (problem) => {
    throw new CoordTokError("file-format", `Expected a PyTorch checkpoint, but in ${source} ${problem}.`);
  };
}

/** A name of an unknown file in a message: quoted, and cut when it is long. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

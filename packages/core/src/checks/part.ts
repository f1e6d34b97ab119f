import { checkInteger } from "../config.js";

/** One of several parts into which processes or machines divide a work. */
export interface Part {
  /** The number of the part, from 1 to `of`. */
  readonly number: number;
  /** The number of parts, from 1 to 100 000. */
  readonly of: number;
}

/** More parts than this are a mistake. */
const mostParts = 100_000;

/** Checks a part. @throws CoordTokError `config`. */
export function checkPart(part: Part): Part {
  const of = checkInteger(part.of, "the number of parts", 1, mostParts);
  return { number: checkInteger(part.number, "the number of the part", 1, of), of };
}

/** A part as names of files have it: `2of4`. */
export function partName({ number, of }: Part): string {
  return `${number}of${of}`;
}

/** A part as people write it: `2/4`. */
export function partText({ number, of }: Part): string {
  return `${number}/${of}`;
}

/** The part that a name such as `2of4` is of; `undefined` for another text. */
export function partInName(name: string): Part | undefined {
  const [, number, of] = (/^([1-9]\d{0,5})of([1-9]\d{0,5})$/.exec(name) ?? []).map(Number);
  return number === undefined || of === undefined || number > of || of > mostParts ? undefined : { number, of };
}

import {
  integer,
  maxValue,
  minValue,
  number,
  object,
  picklist,
  pipe,
  regex,
  string,
  type GenericSchema,
} from "valibot";

/** What tells the content of a file that something was made from: recorded with the result, compared when work goes on. */
export interface SourceIdentity {
  /** Its size in bytes. */
  readonly bytes: number;
  /** When it was changed last, in milliseconds since 1970. The same size and time are taken for the same content. */
  readonly modifiedMs: number;
  /** What was hashed: the `whole` file, or of a large one its `ends`, the first and the last MiB. */
  readonly of: "whole" | "ends";
  /** The SHA-256 of that. */
  readonly sha256: string;
}

/** A {@link SourceIdentity} as it is stored. */
export const sourceIdentitySchema: GenericSchema<unknown, SourceIdentity> = object({
  bytes: pipe(number(), integer(), minValue(0), maxValue(Number.MAX_SAFE_INTEGER)),
  modifiedMs: pipe(number(), minValue(-8.64e15), maxValue(8.64e15)),
  of: picklist(["whole", "ends"]),
  sha256: pipe(string(), regex(/^[0-9a-f]{64}$/)),
});

/** Whether two files have the same content, whatever their names and times. */
export function isSameSource(one: SourceIdentity, other: SourceIdentity): boolean {
  return one.bytes === other.bytes && one.of === other.of && one.sha256 === other.sha256;
}

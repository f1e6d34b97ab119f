import { formatShape } from "../shape.js";
import { CoordTokError } from "../errors.js";

/** Bytes per element of the number types that a safetensors header may name. */
export const bytesPerElement: Readonly<Record<SafetensorsType, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
  C64: 8,
};

/** A number type of the safetensors format. */
export type SafetensorsType =
  | "BOOL"
  | "U8"
  | "I8"
  | "F8_E4M3"
  | "F8_E5M2"
  | "I16"
  | "U16"
  | "F16"
  | "BF16"
  | "I32"
  | "U32"
  | "F32"
  | "I64"
  | "U64"
  | "F64"
  | "C64";

/** The type, shape and position of one tensor in a file. */
export interface SafetensorsEntry {
  /** The type of its numbers. */
  readonly dtype: SafetensorsType;
  /** Its sizes, outermost axis first; empty for a scalar. */
  readonly shape: readonly number[];
  /** The offset of its first byte from the beginning of the file. */
  readonly begin: number;
  /** The offset just past its last byte. */
  readonly end: number;
}

/** A checked header. */
export interface SafetensorsHeader {
  /** The tensors by name. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  /** The metadata stored beside them. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** The longest header that is read: 100 MB, the limit of the format's reference implementation. */
export const longestHeader = 100_000_000;

/**
 * Parses and checks a header: valid JSON without repeated names, known number types, byte counts that fit the shapes, and data
 * that the tensors cover without overlap or gap. Names are used only as keys of maps, so no name can do harm.
 * @param text the JSON text.
 * @param dataBegin the offset of the data in the file, in bytes.
 * @param fileSize the size of the whole file, in bytes.
 * @param source the name of the file in messages.
 * @throws CoordTokError `file-format`.
 */
export function parseHeader(text: string, dataBegin: number, fileSize: number, source: string): SafetensorsHeader {
  const fail = (problem: string): never => {
    throw new CoordTokError("file-format", `Expected a valid safetensors file, but in ${source} ${problem}.`);
  };
  const root = parseJson(text, fail);
  const entries = new Map<string, SafetensorsEntry>();
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, value] of Object.entries(root)) {
    if (!isRecord(value)) return fail(`the header entry ${quote(name)} is not a record`);
    if (name === "__metadata__") metadata = parseMetadata(value, fail);
    else entries.set(name, parseEntry(name, value, dataBegin, fileSize, fail));
  }
  checkCover(entries, dataBegin, fileSize, fail);
  return { entries, metadata };
}

type Fail = (problem: string) => never;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Quotes a name from an untrusted file for a message, shortened to 80 characters. */
function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

function parseJson(text: string, fail: Fail): Record<string, unknown> {
  checkNesting(text, fail);
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {
    return fail("the header is not valid JSON");
  }
  return isRecord(root) ? root : fail("the header is not a JSON record");
}

/** Checks for what `JSON.parse` accepts: names that occur twice in a record, and unbounded nesting. */
function checkNesting(text: string, fail: Fail): void {
  const names: Set<string>[] = [];
  for (let i = 0; i < text.length; i++) {
    const sign = text[i];
    if (sign === "{" || sign === "[") {
      names.push(new Set());
      if (names.length > 3) fail("the header is nested too deeply");
    } else if (sign === "}" || sign === "]") names.pop();
    else if (sign === '"') {
      const end = endOfString(text, i);
      if (isName(text, end)) {
        const name = decodeString(text.slice(i, end), fail);
        if (names.at(-1)?.has(name)) fail(`the header holds the name ${quote(name)} twice`);
        names.at(-1)?.add(name);
      }
      i = end - 1;
    }
  }
}

function endOfString(text: string, begin: number): number {
  let i = begin + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i + 1;
}

function decodeString(literal: string, fail: Fail): string {
  try {
    return JSON.parse(literal) as string;
  } catch {
    return fail("the header is not valid JSON");
  }
}

function isName(text: string, end: number): boolean {
  let i = end;
  while (text[i] === " " || text[i] === "\n" || text[i] === "\t" || text[i] === "\r") i++;
  return text[i] === ":";
}

function parseMetadata(value: Record<string, unknown>, fail: Fail): ReadonlyMap<string, string> {
  const pairs = Object.entries(value).map(([key, text]): [string, string] =>
    typeof text === "string" ? [key, text] : fail(`the metadata value of ${quote(key)} is not a string`),
  );
  return new Map(pairs);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function parseEntry(
  name: string,
  value: Record<string, unknown>,
  dataBegin: number,
  fileSize: number,
  fail: Fail,
): SafetensorsEntry {
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(bytesPerElement, dtype))
    return fail(`tensor ${quote(name)} has the unknown number type ${quote(String(dtype))}`);
  if (!Array.isArray(shape) || !shape.every(isCount))
    return fail(`tensor ${quote(name)} has a shape that is not a list of sizes`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    return fail(`tensor ${quote(name)} has data offsets that are not a pair of positions`);
  const [begin, end] = offsets as unknown as [number, number];
  if (begin > end || dataBegin + end > fileSize)
    return fail(
      `tensor ${quote(name)} is at bytes ${begin} to ${end} of the data, but there are only ${fileSize - dataBegin}; the file may be incomplete`,
    );
  const type = dtype as SafetensorsType;
  const bytes = shape.reduce((product, size) => product * size, bytesPerElement[type]);
  if (bytes !== end - begin)
    return fail(
      `tensor ${quote(name)} takes ${end - begin} bytes, but ${type} of shape ${formatShape(shape)} takes ${bytes}`,
    );
  return { dtype: type, shape, begin: dataBegin + begin, end: dataBegin + end };
}

function checkCover(
  entries: ReadonlyMap<string, SafetensorsEntry>,
  dataBegin: number,
  fileSize: number,
  fail: Fail,
): void {
  const order = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let position = dataBegin;
  for (const [name, { begin, end }] of order) {
    if (begin < position) fail(`tensor ${quote(name)} overlaps another one`);
    if (begin > position) fail(`${begin - position} bytes before tensor ${quote(name)} belong to no tensor`);
    position = end;
  }
  if (position !== fileSize) fail(`the last ${fileSize - position} bytes belong to no tensor`);
}

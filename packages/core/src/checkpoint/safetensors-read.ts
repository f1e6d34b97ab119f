import { CoordTokError } from "../errors.js";
import { foreignKind } from "./foreign-kind.js";
import { doublesOf, tensorOf } from "./numbers.js";
import { rangeSource, sourceName, type RangeSource } from "./range-source.js";
import { longestHeader, parseHeader, type SafetensorsEntry, type SafetensorsHeader } from "./safetensors-header.js";
import type { TensorFile } from "./tensor-file.js";

/** A safetensors file whose header has been read and checked. Tensors are read one by one, on demand. */
export interface SafetensorsFile extends SafetensorsHeader, TensorFile {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
}

const longestPiece = 2 ** 24;

/**
 * Opens a safetensors file. Only the header is read; it is checked as a whole before anything else happens, so a broken or
 * hostile file ends in one clear error.
 * @param source a file (`openFileSource` of `@coordtok/core/node`), a blob, or the bytes. It must stay open while tensors are read.
 * @throws CoordTokError `file-format`, `file-read`.
 */
export async function openSafetensors(source: RangeSource | Uint8Array | Blob): Promise<SafetensorsFile> {
  const range = rangeSource(source);
  const name = sourceName(range);
  const headerLength = await readHeaderLength(range, name);
  const dataBegin = 8 + headerLength;
  const text = decodeText(await range.read(8, headerLength), name);
  const header = parseHeader(text, dataBegin, range.size, name);
  const entryOf = (tensorName: string): SafetensorsEntry => {
    const entry = header.entries.get(tensorName);
    if (!entry) throw new CoordTokError("checkpoint", `There is no tensor "${tensorName}" in ${name}.`);
    return entry;
  };
  const readBytes = async (tensorName: string): Promise<Uint8Array> => {
    const { begin, end } = entryOf(tensorName);
    return range.read(begin, end - begin);
  };
  return {
    ...header,
    name,
    readBytes,
    readPieces: async function* (tensorName) {
      const { begin, end } = entryOf(tensorName);
      for (let at = begin; at < end; at += longestPiece) yield await range.read(at, Math.min(longestPiece, end - at));
    },
    read: async (tensorName) => tensorOf(tensorName, entryOf(tensorName), await readBytes(tensorName)),
    readNumbers: async (tensorName) => doublesOf(tensorName, entryOf(tensorName), await readBytes(tensorName)),
  };
}

async function readHeaderLength(range: RangeSource, name: string): Promise<number> {
  const start = await range.read(0, Math.min(range.size, 64));
  if (start.length < 8)
    throw new CoordTokError(
      "file-format",
      `Expected a safetensors file, but ${name} is ${start.length === 0 ? "empty" : `only ${start.length} bytes long`}.`,
    );
  const view = new DataView(start.buffer, start.byteOffset, start.length);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  const plausible = length >= 2 && length <= longestHeader && (start.length < 9 || start[8] === 0x7b);
  if (plausible && 8 + length <= range.size) return length;
  const isOther = foreignKind(start);
  throw new CoordTokError(
    "file-format",
    isOther !== undefined
      ? `Expected a safetensors file, but ${name} is ${isOther}.`
      : plausible
        ? `Expected a valid safetensors file, but ${name} ends within its header of ${length} bytes; it may be incomplete.`
        : `Expected a safetensors file, but ${name} does not begin with a header of that format.`,
  );
}

function decodeText(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CoordTokError(
      "file-format",
      `Expected a valid safetensors file, but the header of ${name} is not UTF-8 text.`,
    );
  }
}

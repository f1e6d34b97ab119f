import type { RangeSource } from "../checkpoint/range-source.js";
import { quoted, type Fail } from "./failure.js";

/** One file of a zip archive, stored without compression. */
interface ZipEntry {
  /** The offset of its own header. */
  readonly header: number;
  /** Its size in bytes. */
  readonly size: number;
}

/** A zip archive whose directory has been read and checked. */
export interface ZipArchive {
  /** Its files by path; sizes in bytes. */
  readonly files: ReadonlyMap<string, { readonly size: number }>;
  /** Returns the offset of the bytes of a file in the archive. */
  begin(path: string): Promise<number>;
}

const signatures = { end: 0x06054b50, end64: 0x06064b50, locator64: 0x07064b50, entry: 0x02014b50, file: 0x04034b50 };
/** The lengths of the fixed parts of the records of the format, in bytes. */
const lengths = { end: 22, end64: 56, locator64: 20, entry: 46, file: 30 };
const longestComment = 0xffff;
const full32 = 0xffffffff;
const full16 = 0xffff;

/**
 * Reads the directory of a zip archive, with or without the 64-bit extension. Like the archives that `torch.save` writes, its files must be
 * neither compressed nor encrypted.
 */
export async function openZip(source: RangeSource, fail: Fail): Promise<ZipArchive> {
  const { offset, size, count } = await findDirectory(source, fail);
  const entries = parseDirectory(await source.read(offset, size), count, offset, fail);
  return {
    files: entries,
    begin: async (path) => {
      const { header, size: bytes } = entries.get(path)!;
      const view = viewOf(await source.read(header, lengths.file));
      if (view.getUint32(0, true) !== signatures.file)
        return fail(`the record ${quoted(path)} is not where the directory says`);
      const begin = header + lengths.file + view.getUint16(26, true) + view.getUint16(28, true);
      return begin + bytes <= offset ? begin : fail(`the record ${quoted(path)} reaches beyond the data`);
    },
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

interface Directory {
  readonly offset: number;
  readonly size: number;
  readonly count: number;
}

async function findDirectory(source: RangeSource, fail: Fail): Promise<Directory> {
  const tail = Math.min(source.size, lengths.end + longestComment);
  const view = viewOf(await source.read(source.size - tail, tail));
  let at = tail - lengths.end;
  while (
    at >= 0 &&
    !(view.getUint32(at, true) === signatures.end && at + lengths.end + view.getUint16(at + 20, true) === tail)
  )
    at--;
  if (at < 0) return fail("the end is missing; the file is incomplete, perhaps an interrupted download");
  const position = source.size - tail + at;
  const small: Directory = {
    count: view.getUint16(at + 10, true),
    size: view.getUint32(at + 12, true),
    offset: view.getUint32(at + 16, true),
  };
  const isLarge = small.count === full16 || small.size === full32 || small.offset === full32;
  const directory = isLarge ? await findLargeDirectory(source, position, fail) : small;
  const { offset, size, count } = directory;
  if (offset + size > position || count * lengths.entry > size) fail("the directory of the zip archive is damaged");
  return directory;
}

async function findLargeDirectory(source: RangeSource, end: number, fail: Fail): Promise<Directory> {
  const damaged = (): never => fail("the directory of the zip archive is damaged");
  if (end < lengths.locator64) return damaged();
  const locator = viewOf(await source.read(end - lengths.locator64, lengths.locator64));
  const at = locator.getUint32(0, true) === signatures.locator64 ? wide(locator, 8) : NaN;
  if (!(at + lengths.end64 <= end)) return damaged();
  const record = viewOf(await source.read(at, lengths.end64));
  if (record.getUint32(0, true) !== signatures.end64) return damaged();
  return { count: wide(record, 32), size: wide(record, 40), offset: wide(record, 48) };
}

/** An unsigned 64-bit number; values beyond 2^53 are rounded, and every range check rejects them. */
function wide(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

function parseDirectory(bytes: Uint8Array, count: number, end: number, fail: Fail): Map<string, ZipEntry> {
  const view = viewOf(bytes);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + lengths.entry > bytes.length || view.getUint32(at, true) !== signatures.entry)
      return fail("the directory of the zip archive is damaged");
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((part) => view.getUint16(at + part, true));
    const extraAt = at + lengths.entry + nameLength!;
    const next = extraAt + extraLength! + commentLength!;
    if (next > bytes.length) return fail("the directory of the zip archive is damaged");
    const path = new TextDecoder().decode(bytes.subarray(at + lengths.entry, extraAt));
    if (entries.has(path)) return fail(`two records are called ${quoted(path)}`);
    entries.set(path, entryOf(view, at, [extraAt, extraAt + extraLength!], path, end, fail));
    at = next;
  }
  return entries;
}

function entryOf(
  view: DataView,
  at: number,
  [extraBegin, extraEnd]: readonly [number, number],
  path: string,
  end: number,
  fail: Fail,
): ZipEntry {
  const isEncrypted = (view.getUint16(at + 8, true) & 1) !== 0;
  const method = view.getUint16(at + 10, true);
  const wides = largeSizes(view, extraBegin, extraEnd);
  // The 64-bit extension holds only the numbers that do not fit in 32 bits, in this order.
  const number = (offset: number): number => {
    const value = view.getUint32(at + offset, true);
    return value === full32 ? (wides.shift() ?? NaN) : value;
  };
  const size = number(24);
  const stored = number(20);
  const header = number(42);
  if (method !== 0 || isEncrypted || stored !== size)
    return fail(
      `the record ${quoted(path)} is ${isEncrypted ? "encrypted" : "compressed"}, which torch.save never does; unpack the archive and pack it again without compression or encryption`,
    );
  if (!(header + lengths.file + size <= end))
    return fail(`the record ${quoted(path)} is beyond the end of the data; the file may be incomplete`);
  return { header, size };
}

function largeSizes(view: DataView, begin: number, end: number): number[] {
  const sizes: number[] = [];
  for (let at = begin; at + 4 <= end; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    const last = Math.min(at + 4 + view.getUint16(at + 2, true), end);
    for (let part = at + 4; part + 8 <= last; part += 8) sizes.push(wide(view, part));
  }
  return sizes;
}

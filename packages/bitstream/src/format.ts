import { CoordTokError } from "@coordtok/core";
import { crc32c } from "@coordtok/triplane";
import type { ByteReader, ByteWriter } from "./numbers.js";
import { stepUnits } from "./quantize.js";
import { piecesOf, type PieceRange, type WindowLayout } from "./window-coder.js";

/*
 * The layout of a .coordtok file (`docs/spec.md#bitstream-file`): a head, the pieces, the facts as JSON, the index, a tail.
 */

/** What a file begins with; the bytes after the letters show a transfer that changed line ends. */
const magic: Uint8Array = Uint8Array.of(0x89, 0x43, 0x54, 0x4b, 0x0d, 0x0a, 0x1a, 0x0a);
/** The version that is written, and the only one that is read. */
const version = 1;
/** Bytes of the head: the magic, the version, the checksum of both. */
export const headBytes = 16;
/** Bytes of the tail. */
export const tailBytes = 32;
/** What a file ends with. */
const tailMagic = 0x4b54_4321;

/** The most windows of a file, bytes of its facts and of its index, and numbers of the planes of a window. */
export const limits = {
  windows: 0x10_0000,
  factBytes: 0x400_0000,
  indexBytes: 0x800_0000,
  planeNumbers: 0x80_0000,
  channels: 64,
  groups: 64,
} as const;

/** No coded byte stands for more numbers: a bit has at most a probability of 1 - 24 / 65536. */
const numbersPerByte = 2 ** 15;

/** A piece of a window in a file. */
export interface StoredPiece extends PieceRange {
  /** Where its bytes begin in the file. */
  readonly offset: number;
  /** How many bytes it has. */
  readonly length: number;
  /** CRC-32C of its bytes. */
  readonly checksum: number;
}

/** Where the parts behind the pieces lie. */
export interface Tail {
  readonly factsOffset: number;
  readonly factsLength: number;
  readonly indexLength: number;
  readonly windows: number;
  /** CRC-32C of facts and index. */
  readonly checksum: number;
}

export function encodeHead(writer: ByteWriter): void {
  const begin = new Uint8Array(headBytes - 4);
  begin.set(magic);
  new DataView(begin.buffer).setUint32(8, version, true);
  for (const byte of begin) writer.byte(byte);
  writer.word(crc32c(begin));
}

/** Whether bytes begin as a file does. */
export function hasMagic(bytes: Uint8Array): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

/** @throws CoordTokError `file-format` unless the bytes are the head of a file of this version. */
export function checkHead(bytes: Uint8Array, name: string): void {
  if (!hasMagic(bytes))
    throw new CoordTokError("file-format", `Expected a .coordtok file, but ${name} does not begin like one.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(12, true) !== crc32c(bytes.subarray(0, 12)))
    throw new CoordTokError("file-format", `The first bytes of ${name} are damaged; get the file again.`);
  const stored = view.getUint32(8, true);
  if (stored !== version)
    throw new CoordTokError(
      "file-format",
      `Expected a .coordtok file of version ${version}, but ${name} has version ${stored}; read it with a newer version of this program.`,
    );
}

export function encodeTail(writer: ByteWriter, tail: Tail): void {
  const begin = writer.length;
  writer.word(tail.factsOffset % 2 ** 32);
  writer.word(Math.floor(tail.factsOffset / 2 ** 32));
  writer.word(tail.factsLength);
  writer.word(tail.indexLength);
  writer.word(tail.windows);
  writer.word(tail.checksum);
  writer.word(crc32c(writer.bytes().subarray(begin)));
  writer.word(tailMagic);
}

/** @throws CoordTokError `file-format` unless the bytes are the tail of a file of `size` bytes. */
export function parseTail(bytes: Uint8Array, size: number, name: string): Tail {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (place: number): number => view.getUint32(4 * place, true);
  if (word(7) !== tailMagic)
    throw new CoordTokError("file-format", `The end of ${name} is missing: it is cut short or still being written.`);
  const tail: Tail = {
    factsOffset: word(0) + word(1) * 2 ** 32,
    factsLength: word(2),
    indexLength: word(3),
    windows: word(4),
    checksum: word(5),
  };
  const { factsOffset, factsLength, indexLength, windows } = tail;
  const isWhole = factsOffset >= headBytes && factsOffset + factsLength + indexLength + tailBytes === size;
  const isBounded =
    factsLength <= limits.factBytes && indexLength <= limits.indexBytes && windows >= 1 && windows <= limits.windows;
  if (word(6) !== crc32c(bytes.subarray(0, 24)) || !isWhole || !isBounded)
    throw new CoordTokError("file-format", `The last bytes of ${name} are damaged; get the file again.`);
  return tail;
}

/** The entry of a window in the index: its layout where it differs from the one before, then its pieces. */
export function encodeEntry(
  writer: ByteWriter,
  layout: WindowLayout,
  before: WindowLayout | undefined,
  pieces: readonly Uint8Array[],
): void {
  const isSame = before !== undefined && JSON.stringify(before) === JSON.stringify(layout);
  writer.byte(isSame ? 0 : 1);
  if (!isSame) {
    const { shape, step, budget, groups } = layout;
    const { time, rows, columns, channels } = shape;
    for (const value of [time, rows, columns, channels, step * stepUnits, budget.content, budget.motion, groups.length])
      writer.varint(value);
    for (const end of groups) writer.varint(end);
  }
  for (const piece of pieces) {
    writer.varint(piece.length);
    writer.word(crc32c(piece));
  }
}

/** Reads an entry; its pieces begin at `offset`. */
export function parseEntry(
  reader: ByteReader,
  before: WindowLayout | undefined,
  offset: number,
  end: number,
): { layout: WindowLayout; pieces: StoredPiece[]; offset: number } {
  const isSame = reader.byte() === 0 && before !== undefined;
  const layout = isSame ? before : parseLayout(reader);
  let next = offset;
  const pieces = piecesOf(layout).map((range): StoredPiece => {
    const length = reader.varint("the length of a piece", 0, Math.max(0, end - next));
    const piece = { ...range, offset: next, length, checksum: reader.word() };
    next += length;
    checkDensity(layout, piece);
    return piece;
  });
  return { layout, pieces, offset: next };
}

function parseLayout(reader: ByteReader): WindowLayout {
  const side = (name: string): number => reader.varint(name, 1, limits.planeNumbers);
  const shape = { time: side("cells along time"), rows: side("rows of cells"), columns: side("columns of cells") };
  const channels = reader.varint("the channels", 1, limits.channels);
  const step = reader.varint("the step", 1, 64 * stepUnits) / stepUnits;
  const content = reader.varint("the channels of xy", 0, channels);
  const motion = reader.varint("the channels of yt and xt", 0, channels);
  const count = reader.varint("the groups of channels", 1, limits.groups);
  const groups: number[] = [];
  for (let i = 0; i < count; i++)
    groups.push(
      reader.varint("the end of a group", (groups.at(-1) ?? 0) + 1, i === count - 1 ? channels : channels - 1),
    );
  const layout: WindowLayout = { shape: { ...shape, channels }, step, budget: { content, motion }, groups };
  checkLayout(layout);
  return layout;
}

/** @throws CoordTokError `file-format` for planes that are too large, or groups that do not end at the last channel. */
export function checkLayout({ shape, groups }: WindowLayout): void {
  const { time, rows, columns, channels } = shape;
  const numbers = (rows * columns + time * (rows + columns)) * channels;
  if (!(numbers <= limits.planeNumbers))
    throw new CoordTokError(
      "file-format",
      `Expected planes of at most ${limits.planeNumbers} numbers in one window, got ${numbers}; code smaller or shorter windows.`,
    );
  const isAscending = groups.every((end, i) => end > (i === 0 ? 0 : groups[i - 1]!));
  if (!isAscending || groups.at(-1) !== channels || groups.length > limits.groups)
    throw new CoordTokError(
      "file-format",
      `Expected groups of channels that end at ascending numbers up to the ${channels} of the planes, got ${groups.join(", ")}.`,
    );
}

/** Refuses a piece that cannot hold so many numbers, before room is made for them. */
function checkDensity({ shape }: WindowLayout, { plane, first, end, length }: StoredPiece): void {
  const { time, rows, columns } = shape;
  const cells = plane === "xy" ? rows * columns : time * (plane === "yt" ? columns : rows);
  if (cells * (end - first) > numbersPerByte * (length + 4))
    throw new CoordTokError(
      "file-format",
      `Expected more than ${length} bytes for ${cells * (end - first)} numbers of plane ${plane}.`,
    );
}

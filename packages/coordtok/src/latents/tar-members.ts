import { CoordTokError } from "@coordtok/core";

/** A file whose ranges can be read. */
interface Source {
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** An ordinary file in a tar archive. */
export interface TarMember {
  /** Its name as the archive has it: a label, never a path. */
  readonly name: string;
  /** Where its content begins. */
  readonly begin: number;
  /** The size of its content. */
  readonly bytes: number;
}

const block = 512;
/** Longer names and attributes are none of a data set; a header may claim any size. */
const mostExtra = 2 ** 16;
const mostName = 10_000;

/**
 * Yields the ordinary files of a tar archive in their order, as POSIX (ustar, pax) and GNU tar write them. Only headers are read.
 * @throws CoordTokError `file-format` for an archive that is damaged, cut off or compressed, and for one that holds a link or a device.
 */
export async function* tarMembers(source: Source, path: string): AsyncGenerator<TarMember, void> {
  const damaged = (problem: string): CoordTokError =>
    new CoordTokError("file-format", `"${path}" is not a tar archive that can be read: ${problem}.`);
  let at = 0;
  let name: string | undefined;
  let size: number | undefined;
  while (at + block <= source.size) {
    const header = await source.read(at, block);
    if (header.every((byte) => byte === 0)) return;
    if (!hasItsSum(header)) throw damaged(at === 0 ? notTar(header) : `its header at byte ${at} is damaged`);
    const type = String.fromCharCode(header[156]!);
    const claimed = numberIn(header, 124, 12);
    const begin = at + block;
    const bytes = type === "x" || type === "g" || type === "L" || type === "K" ? claimed : (size ?? claimed);
    if (bytes === undefined || begin + bytes > source.size)
      throw damaged(`it is cut off: the member at byte ${at} is longer than the rest of the file`);
    at = begin + Math.ceil(bytes / block) * block;
    if ("xgLK".includes(type)) {
      if (bytes > mostExtra) throw damaged(`the attributes at byte ${begin} take ${bytes} bytes`);
      const extra = await source.read(begin, bytes);
      if (type === "L") name = textOf(extra);
      if (type === "x")
        ({ name = name, size = size } = paxFields(extra, () => damaged(`the attributes at byte ${begin} are damaged`)));
      continue;
    }
    const own = name ?? nameIn(header);
    [name, size] = [undefined, undefined];
    if (own === "" || own.length > mostName) throw damaged(`the member at byte ${begin - block} has no usable name`);
    if (type === "5") continue;
    if (type !== "0" && type !== "\0" && type !== "7")
      throw damaged(`it holds "${own.slice(0, 200)}", which is a link, a device or another thing than a file`);
    yield { name: own, begin, bytes };
  }
  if (at === 0) throw damaged("it is too short");
}

function notTar(header: Uint8Array): string {
  return header[0] === 0x1f && header[1] === 0x8b
    ? "it is compressed; unpack it with gunzip"
    : "it does not begin with a header";
}

/** Whether the sum in a header is that of its bytes, its own place counted as blanks. */
function hasItsSum(header: Uint8Array): boolean {
  const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  return numberIn(header, 148, 8) === sum;
}

/** A number in octal, or for large ones in binary as GNU tar writes it; `undefined` for neither. */
function numberIn(header: Uint8Array, begin: number, length: number): number | undefined {
  const field = header.subarray(begin, begin + length);
  if (field[0] === 0x80) {
    const value = field.subarray(1).reduce((total, byte) => total * 256 + byte, 0);
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const text = /^ *([0-7]{1,12})[ \0]*$/.exec(String.fromCharCode(...field))?.[1];
  return text === undefined ? undefined : Number.parseInt(text, 8);
}

function nameIn(header: Uint8Array): string {
  const isUstar = String.fromCharCode(...header.subarray(257, 262)) === "ustar" && header[262] === 0;
  const prefix = isUstar ? textOf(header.subarray(345, 500)) : "";
  const name = textOf(header.subarray(0, 100));
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** A text up to its first zero. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end));
}

/** Name and size in the records of a pax header: `LENGTH KEY=VALUE` and a line feed each. */
function paxFields(
  bytes: Uint8Array,
  damaged: () => CoordTokError,
): { readonly name?: string; readonly size?: number } {
  let fields: { readonly name?: string; readonly size?: number } = {};
  let at = 0;
  while (at < bytes.length && bytes[at] !== 0) {
    const head = /^(\d{1,6}) /.exec(String.fromCharCode(...bytes.subarray(at, at + 7)));
    const length = Number(head?.[1]);
    if (head === null || length <= head[0].length || at + length > bytes.length || bytes[at + length - 1] !== 10)
      throw damaged();
    const record = new TextDecoder().decode(bytes.subarray(at + head[0].length, at + length - 1));
    const equals = record.indexOf("=");
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)];
    if (key === "path") fields = { ...fields, name: value };
    if (key === "size") {
      if (!/^\d{1,15}$/.test(value)) throw damaged();
      fields = { ...fields, size: Number(value) };
    }
    at += length;
  }
  return fields;
}

import { openFileSource, type FileSource } from "@coordtok/core/node";

/** More parts than this are not looked at; films have a few, or one for each second of a fragmented mp4. */
const mostParts = 100_000;

/**
 * How many bytes a video file lacks at its end, by the sizes that its container states (mp4, mov, avi, mkv, webm); 0 where all are there or none are
 * stated. Frames that lie there do not decode, although the header counts them.
 * @throws CoordTokError `file-not-found`, `file-read`.
 */
export async function missingBytes(path: string): Promise<number> {
  await using file = await openFileSource(path);
  if (file.size < 16) return 0;
  const head = await file.read(0, 16);
  const text = String.fromCharCode(...head);
  const view = new DataView(head.buffer, head.byteOffset);
  let end = 0;
  if (/^.{4}(ftyp|moov|mdat|wide|free|skip|pnot)/s.test(text)) end = await endOfBoxes(file);
  else if (/^RIFF.{4}AVI /s.test(text)) end = 8 + view.getUint32(4, true);
  else if (text.startsWith("\x1a\x45\xdf\xa3")) end = await endOfSegment(file);
  return Math.max(0, end - file.size);
}

/** Where the last box of an mp4 ends (ISO 14496-12, 4.2). */
async function endOfBoxes(file: FileSource): Promise<number> {
  let at = 0;
  for (let part = 0; part < mostParts && at + 16 <= file.size; part++) {
    const head = await file.read(at, 16);
    const view = new DataView(head.buffer, head.byteOffset);
    const short = view.getUint32(0);
    const size = short === 1 ? Number(view.getBigUint64(8)) : short;
    // A size of 0 stands for the rest of the file; smaller ones than their header are damage, which ffmpeg names.
    if (size < 8) return 0;
    at += size;
  }
  return at;
}

/** Where the segment of a Matroska file ends, behind its EBML header; 0 where it states no size, as a live recording. */
async function endOfSegment(file: FileSource): Promise<number> {
  const bytes = await file.read(0, Math.min(file.size, 4096));
  const header = sizeAt(bytes, 4);
  if (header === undefined) return 0;
  const segment = 4 + header.width + header.value;
  const isSegment = [0x18, 0x53, 0x80, 0x67].every((byte, i) => bytes[segment + i] === byte);
  const size = isSegment ? sizeAt(bytes, segment + 4) : undefined;
  return size === undefined ? 0 : segment + 4 + size.width + size.value;
}

/** A size of EBML (RFC 8794, section 5); `undefined` for one that is unknown or cut off. */
function sizeAt(bytes: Uint8Array, at: number): { readonly value: number; readonly width: number } | undefined {
  const first = bytes[at] ?? 0;
  const width = Math.clz32(first) - 23;
  if (width > 8 || at + width > bytes.length) return undefined;
  let value = first & (0xff >> width);
  let isUnknown = value === 0xff >> width;
  for (let i = 1; i < width; i++) {
    value = value * 256 + bytes[at + i]!;
    isUnknown &&= bytes[at + i] === 0xff;
  }
  return isUnknown || !Number.isSafeInteger(value) ? undefined : { value, width };
}

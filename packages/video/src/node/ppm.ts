import { CoordTokError } from "@coordtok/core";
import type { RgbPicture } from "../resize.js";

const longestHeader = 64;
/** No array of three bytes for each pixel can be longer. */
const mostPixelsEver = 2 ** 29;

/**
 * Reads a stream of binary PPM pictures (`P6`, 8 bit), as ffmpeg's image2pipe writes them. Each picture states its size, so nothing needs to
 * be known in advance. At most one picture is buffered; the writer waits while nobody reads.
 * @param chunks the bytes, split anywhere.
 * @param bufferFor returns the array for the next picture (default: a new one).
 * @param mostPixels larger pictures are refused before memory is taken for them (default 2^29).
 * @throws CoordTokError `ffmpeg` for anything but PPM pictures, or larger ones.
 */
export async function* readPpm(
  chunks: AsyncIterable<Uint8Array>,
  bufferFor: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes),
  mostPixels: number = mostPixelsEver,
): AsyncGenerator<RgbPicture, void, undefined> {
  let header = "";
  let picture: { width: number; height: number; data: Uint8Array } | undefined;
  let filled = 0;
  for await (const chunk of chunks) {
    let at = 0;
    while (at < chunk.length) {
      if (!picture) {
        header += String.fromCharCode(chunk[at++]!);
        const size = sizeIn(header);
        if (!size) continue;
        if (!(size.width * size.height <= Math.min(mostPixels, mostPixelsEver)))
          throw new CoordTokError(
            "ffmpeg",
            `ffmpeg wrote a picture of ${size.width}x${size.height}, larger than any that it was asked for.`,
          );
        picture = { ...size, data: bufferFor(size.width * size.height * 3) };
        header = "";
        filled = 0;
      }
      const part = chunk.subarray(at, at + picture.data.length - filled);
      picture.data.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < picture.data.length) continue;
      yield picture;
      picture = undefined;
    }
  }
}

/** Returns the size in a header, or undefined while it is incomplete. */
function sizeIn(header: string): { width: number; height: number } | undefined {
  const match = /^P6\s+(\d+)\s+(\d+)\s+255\s$/.exec(header);
  if (match) return { width: Number(match[1]), height: Number(match[2]) };
  if (header.length > longestHeader || !"P6".startsWith(header.slice(0, 2)))
    throw new CoordTokError("ffmpeg", "ffmpeg wrote something other than PPM pictures; is it really ffmpeg?");
  return undefined;
}

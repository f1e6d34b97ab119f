import { CoordTokError } from "@coordtok/core";
import type { RgbPicture } from "@coordtok/video";
import gifenc from "gifenc";

/** The number of frames that the palette is chosen from. */
const sampledFrames = 4;

/**
 * Encodes an animated GIF that loops forever, with one palette of 256 colours for all frames. No program is needed.
 * @param frames at least one, all of the same size.
 * @param fps frames per second; GIF counts in hundredths of a second.
 */
export function encodeGif(frames: readonly RgbPicture[], fps: number): Uint8Array {
  const [first] = frames;
  if (first === undefined) throw new CoordTokError("input", "Expected at least one frame for a GIF, got none.");
  const palette = gifenc.quantize(sampleOf(frames), 256, { format: "rgb565" });
  const encoder = gifenc.GIFEncoder();
  frames.forEach((frame, i) => {
    const index = gifenc.applyPalette(rgbaOf(frame), palette, "rgb565");
    // Delays are rounded from the start of the clip, so that they add up to its length.
    const delay = 10 * (Math.round((100 * (i + 1)) / fps) - Math.round((100 * i) / fps));
    encoder.writeFrame(index, frame.width, frame.height, i === 0 ? { palette, delay, repeat: 0 } : { delay });
  });
  encoder.finish();
  return encoder.bytes();
}

function sampleOf(frames: readonly RgbPicture[]): Uint8Array {
  const count = Math.min(sampledFrames, frames.length);
  const parts = Array.from({ length: count }, (_, i) => rgbaOf(frames[Math.floor((i * frames.length) / count)]!));
  return new Uint8Array(Buffer.concat(parts));
}

function rgbaOf({ data, width, height }: RgbPicture): Uint8Array {
  const rgba = new Uint8Array(width * height * 4).fill(255);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) rgba.set(data.subarray(from, from + 3), to);
  return rgba;
}

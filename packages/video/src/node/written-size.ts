import { CoordTokError, type RgbFrame } from "@coordtok/core";
import type { FrameSize } from "../types.js";
import type { Encoder } from "./encoders.js";

/** The size in which an encoder writes frames. */
export function writtenSize({ width, height }: FrameSize, { evenSides }: Encoder): FrameSize {
  return evenSides === true ? evenSize({ width, height }) : { width, height };
}

/** Returns a size with odd sides enlarged by one pixel. */
export function evenSize({ width, height }: FrameSize): FrameSize {
  return { width: width + (width % 2), height: height + (height % 2) };
}

/** Returns the bytes of a frame with its last column and row repeated if the written size is larger. */
export function withEvenSides(frame: RgbFrame, written: FrameSize): Uint8Array {
  const { width, height, data } = frame;
  if (width === written.width && height === written.height) return data;
  const result = new Uint8Array(written.width * written.height * 3);
  const rowBytes = written.width * 3;
  for (let row = 0; row < written.height; row++) {
    const from = Math.min(row, height - 1) * width * 3;
    result.set(data.subarray(from, from + width * 3), row * rowBytes);
    if (written.width > width)
      result.copyWithin((row + 1) * rowBytes - 3, (row + 1) * rowBytes - 6, (row + 1) * rowBytes - 3);
  }
  return result;
}

/** Adds the shape of pixels to the filters of an encoder. */
export function withAspect(args: readonly string[], aspect = 1): string[] {
  if (aspect === 1) return [...args];
  const filter = `setsar=${Math.round(aspect * 10_000)}/10000:max=10000`;
  const at = args.indexOf("-vf") + 1;
  return at === 0 ? [...args, "-vf", filter] : args.map((arg, i) => (i === at ? `${arg},${filter}` : arg));
}

/** @throws CoordTokError `config`. */
export function checkAspect(aspect = 1): void {
  if (!(aspect >= 0.1 && aspect <= 10))
    throw new CoordTokError("config", `Expected a pixelAspect from 0.1 to 10, got ${aspect}.`);
}

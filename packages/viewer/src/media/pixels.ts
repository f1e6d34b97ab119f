import { centreCrop, fitFrame, resizeRgb, resizeSize } from "@coordtok/video";
import type { FramesData } from "../worker/types.js";
import type { ReadSettings } from "./messages.js";

/** Copies the colours of RGBA pixels to a place in RGB bytes. */
export function rgbOf(rgba: Uint8ClampedArray, target: Uint8Array, begin: number): void {
  for (let from = 0, to = begin; from < rgba.length; from += 4, to += 3) {
    target[to] = rgba[from]!;
    target[to + 1] = rgba[from + 1]!;
    target[to + 2] = rgba[from + 2]!;
  }
}

/** Rows and columns. */
export interface PixelSize {
  readonly height: number;
  readonly width: number;
}

/** How frames of one size become frames to encode: scaled as the command line scales them, and cut to a square where that is asked for. */
export function scaling(
  source: PixelSize,
  { side, square }: Pick<ReadSettings, "side" | "square">,
): PixelSize & { readonly scale: (data: Uint8Array) => Uint8Array } {
  const short = Math.min(side, source.height, source.width);
  const size = resizeSize(source, { height: short, width: short });
  const whole = size.height === source.height && size.width === source.width;
  if (square) {
    const target = { height: short, width: short };
    const crop = centreCrop(size, target);
    return { ...target, scale: (data) => resizeRgb({ ...source, data }, size, crop) };
  }
  return { ...size, scale: (data) => (whole ? data : resizeRgb({ ...source, data }, size)) };
}

/** All frames scaled to cover a size and cut to it, as a tokenizer of the paper's form takes them. */
export function fitFrames({ data, frameCount, height, width }: FramesData, target: PixelSize): FramesData {
  const [size, fitted] = [height * width * 3, target.height * target.width * 3];
  const result = new Uint8Array(frameCount * fitted);
  for (let frame = 0; frame < frameCount; frame++) {
    const one = { height, width, data: data.subarray(frame * size, (frame + 1) * size), timestampSeconds: 0 };
    result.set(fitFrame(one, target).data, frame * fitted);
  }
  return { ...target, data: result, frameCount };
}

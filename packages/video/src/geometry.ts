import { checkInteger, CoordTokError, type Rectangle } from "@coordtok/core";
import type { FrameSize } from "./types.js";

/** The most pixels of a frame that is read at a size of its own, 1.6 GB of them. */
const mostPixels = 2 ** 29;

/**
 * Throws unless both sides are whole numbers of at least 1, and a frame has at most 2^29 pixels.
 * @throws CoordTokError `config`.
 */
export function checkFrameSize(size: FrameSize, name = "size"): void {
  checkInteger(size.height, `${name}.height`, 1);
  checkInteger(size.width, `${name}.width`, 1);
  if (size.height * size.width > mostPixels)
    throw new CoordTokError(
      "config",
      `Expected ${name} of at most ${mostPixels} pixels a frame, got ${size.width}x${size.height}; choose a smaller size.`,
    );
}

/**
 * Returns the smallest size that covers the target and keeps the aspect ratio of a picture: one side is that of the
 * target, the other is rounded down. For a square target this is the rule of torchvision's `Resize(size)`: the shorter side
 * becomes `size`, the longer one `trunc(size * longer / shorter)`. Source: `docs/spec.md#resize`.
 * @throws CoordTokError `config` for sides that are not whole numbers of at least 1.
 */
export function resizeSize(source: FrameSize, target: FrameSize): FrameSize {
  checkFrameSize(source, "source");
  checkFrameSize(target);
  const covering =
    source.width * target.height >= source.height * target.width
      ? { height: target.height, width: Math.trunc((target.height * source.width) / source.height) }
      : { height: Math.trunc((target.width * source.height) / source.width), width: target.width };
  checkFrameSize(covering, "a resized frame");
  return covering;
}

/**
 * Returns the rectangle of the target's size in the centre of a picture. Offsets of half a pixel are rounded to even, as in torchvision's
 * `CenterCrop`. Source: `docs/spec.md#resize`.
 * @param source the size of the picture, at least that of the target on both sides.
 */
export function centreCrop(source: FrameSize, target: FrameSize): Rectangle {
  return {
    top: halfToEven(source.height - target.height),
    left: halfToEven(source.width - target.width),
    height: target.height,
    width: target.width,
  };
}

function halfToEven(twice: number): number {
  const lower = Math.floor(twice / 2);
  return twice % 2 === 0 ? lower : lower + (lower % 2);
}

import { CoordTokError, formatShape, type Clip } from "@coordtok/core";
import { concat, slice, tidy, tile, type Tensor5D } from "@tensorflow/tfjs-core";
import { paddedSize } from "./config.js";

/**
 * Pads clips to whole blocks by repeating the last frame, row and column. Frames after the valid frames of a clip are replaced as
 * well.
 * @param clip `[B, T, H, W, 3]`, any T, H and W of at least 1.
 * @returns frames `[B, 4a, 8h, 8w, 3]`: the clip's own tensor when nothing is missing.
 * @throws CoordTokError `shape` for a clip without frames or pixels, or valid frames that do not belong to it.
 */
export function padToBlocks({ frames, validFrames }: Clip): Tensor5D {
  const [clips, length, height, width, colours] = frames.shape;
  if (!(clips >= 1 && length >= 1 && height >= 1 && width >= 1 && colours === 3))
    throw new CoordTokError(
      "shape",
      `Expected clips [B, T, H, W, 3] of at least one frame and one pixel, got ${formatShape(frames.shape)}.`,
    );
  if (validFrames.length !== clips || validFrames.some((valid) => !(valid >= 1 && valid <= length)))
    throw new CoordTokError(
      "shape",
      `Expected 1 to ${length} valid frames for each of ${clips} clips, got ${validFrames.join(", ")}.`,
    );
  const padded = paddedSize({ frames: length, height, width });
  const isWhole = padded.frames === length && padded.height === height && padded.width === width;
  if (isWhole && validFrames.every((valid) => valid === length)) return frames;
  return tidy(() => {
    const inTime = validFrames.map((valid, i) => {
      const real = slice(frames, [i, 0, 0, 0, 0], [1, valid, height, width, 3]);
      return repeatLast(real, 1, padded.frames);
    });
    return repeatLast(repeatLast(concat(inTime, 0), 2, padded.height), 3, padded.width);
  });
}

/** Repeats the last slice of a tensor along an axis until the axis has the given size. */
function repeatLast(frames: Tensor5D, axis: number, size: number): Tensor5D {
  const count = frames.shape[axis]!;
  if (count === size) return frames;
  const begin = frames.shape.map((_, i) => (i === axis ? count - 1 : 0)) as Tensor5D["shape"];
  const extent = frames.shape.map((length, i) => (i === axis ? 1 : length)) as Tensor5D["shape"];
  const repeats = frames.shape.map((_, i) => (i === axis ? size - count : 1));
  const last: Tensor5D = slice(frames, begin, extent);
  return concat([frames, tile(last, repeats)], axis);
}

import type { PerPlane } from "@coordtok/triplane";
import { mean, mul, reshape, sub, tidy, transpose, type Tensor4D, type Tensor5D } from "@tensorflow/tfjs-core";
import { latticeBlock } from "./config.js";

const { time, space } = latticeBlock;

/** The number of values in one cell of each view, laid out (t, row, column, rgb) without the axis that the view averages over. */
export const viewValues: PerPlane<number> = {
  xy: space * space * 3,
  yt: time * space * 3,
  xt: time * space * 3,
};

/** The gain of the deviation from the mean frame, which is small. */
const restGain = 4;

/**
 * Computes the three views of a clip: the mean frame, and the means over rows and over columns of the deviation from it, times 4.
 * Each is cut into the cells of its plane (`docs/spec.md#lattice-form`).
 * @param frames `[B, T, H, W, 3]` in [-1, 1], padded to whole blocks.
 * @returns xy `[B, H/8, W/8, 192]`, yt `[B, T/4, W/8, 96]`, xt `[B, T/4, H/8, 96]`, owned by the caller.
 */
export function clipViews(frames: Tensor5D): PerPlane<Tensor4D> {
  return tidy(() => {
    const [clips, , height, width] = frames.shape;
    const meanFrame = mean(frames, 1, true);
    const rest = sub(frames, meanFrame);
    const rows = reshape(meanFrame, [clips * (height / space), space, width / space, space * 3]);
    return {
      xy: reshape(transpose(rows, [0, 2, 1, 3]), [clips, height / space, width / space, viewValues.xy]),
      yt: sideView(mean(rest, 2)),
      xt: sideView(mean(rest, 3)),
    };
  });
}

/** Cuts `[B, T, size, 3]` into cells of 4 frames and 8 rows or columns, times the gain. */
function sideView(side: Tensor4D): Tensor4D {
  const [clips, frames, size] = side.shape;
  const rows = reshape(mul(side, restGain), [clips * (frames / time), time, size / space, space * 3]);
  return reshape(transpose(rows, [0, 2, 1, 3]), [clips, frames / time, size / space, viewValues.yt]);
}

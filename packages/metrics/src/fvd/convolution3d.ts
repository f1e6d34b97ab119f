import {
  concat,
  conv3d,
  maximum,
  maxPool,
  pad,
  reshape,
  slice,
  tidy,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  type Tensor5D,
} from "@tensorflow/tfjs-core";
import { backendTraits } from "@coordtok/core/nn";
import { biasRelu, convolveRelu } from "../convolution.js";

/** A frozen 3-D convolution. */
export type Convolution3dParams = {
  /** `[time, rows, columns, in, out]` */
  readonly kernel: Tensor5D;
  /** `[out]` */
  readonly bias: Tensor1D;
};

/** A length over frames, and one over rows and columns: of a window, or of its steps. */
export interface Extent3d {
  readonly time: number;
  readonly space: number;
}

/**
 * A 3-D convolution with a ReLU after it. Padding is "same" with the odd pixel at the end (`docs/spec.md#i3d`). Where the backend has no
 * fast 3-D convolution, the frames under the window stand beside each other as channels of one 2-D convolution.
 * @param x `[B, T, H, W, in]`
 * @returns `[B, T', H', W', out]`
 */
export function convolve3d({ kernel, bias }: Convolution3dParams, x: Tensor5D, stride: Extent3d): Tensor5D {
  const [taps, rows, columns, inputs, outputs] = kernel.shape;
  const { time, space } = stride;
  return tidy(() => {
    if (taps > 1 && backendTraits().convolutions3d)
      return biasRelu(conv3d(x, kernel, [time, space, space], "same"), bias);
    const frames = framesUnderWindow(x, taps, time);
    // [taps, rows, columns, in, out] as [rows, columns, taps * in, out]
    const flat = taps === 1 ? [kernel] : Array.from({ length: taps }, (_, tap) => slice(kernel, tap, 1));
    const filter = concat(
      flat.map((one) => reshape(one, [rows, columns, inputs, outputs]) as Tensor4D),
      2,
    );
    const value = frames.length === 1 ? frames[0]! : concat(frames, 3);
    return withTime(convolveRelu({ kernel: filter, bias }, value, space, "same"), x.shape[0]);
  });
}

/**
 * A 3-D max-pool of values that are at least 0, padded as {@link convolve3d} is, with zeros. The maximum over rows and columns is taken
 * first, then that over frames.
 * @param x `[B, T, H, W, C]`
 */
export function maxPool3d(x: Tensor5D, size: Extent3d, stride: Extent3d): Tensor5D {
  return tidy(() => {
    const [clips, time, height, width, channels] = x.shape;
    const flat = reshape(x, [clips * time, height, width, channels]) as Tensor4D;
    const inSpace = withTime(maxPool(flat, size.space, stride.space, "same"), clips);
    const frames = framesUnderWindow(inSpace, size.time, stride.time);
    return withTime(
      frames.reduce((largest, frame) => maximum(largest, frame)),
      clips,
    );
  });
}

function withTime(flat: Tensor4D, clips: number): Tensor5D {
  const [frames, height, width, channels] = flat.shape;
  return reshape(flat, [clips, frames / clips, height, width, channels]);
}

/** For each frame of a window of `taps` frames, that frame of all windows, `[B * T', H, W, C]`; beyond the ends frames are 0. */
function framesUnderWindow(x: Tensor5D, taps: number, stride: number): Tensor4D[] {
  const [clips, time, height, width, channels] = x.shape;
  if (taps === 1 && stride === 1) return [reshape(x, [clips * time, height, width, channels])];
  const count = Math.ceil(time / stride);
  const missing = Math.max((count - 1) * stride + taps - time, 0);
  const before = Math.floor(missing / 2);
  const frameValues = height * width * channels;
  // Enough behind the last window to cut the frames into groups of `stride` from any tap on.
  const length = taps - 1 + count * stride;
  const padded: Tensor = pad(reshape(x, [clips, time, frameValues]), [
    [0, 0],
    [before, length - before - time],
    [0, 0],
  ]);
  return Array.from({ length: taps }, (_, tap) => {
    const shifted = slice(padded, [0, tap, 0], [clips, count * stride, frameValues]);
    const firsts = slice(reshape(shifted, [clips * count, stride, frameValues]), [0, 0, 0], [-1, 1, -1]);
    return reshape(firsts, [clips * count, height, width, channels]);
  });
}

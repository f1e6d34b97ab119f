import {
  concat,
  conv3d,
  dispose,
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

/** The parameters of a frozen 3D convolution. */
export type Convolution3dParams = {
  /** `[time, rows, columns, in, out]` */
  readonly kernel: Tensor5D;
  /** `[out]` */
  readonly bias: Tensor1D;
};

/** The extent of a window, or its stride: in frames, and in rows and columns. */
export interface Extent3d {
  readonly time: number;
  readonly space: number;
}

/**
 * A 3D convolution followed by a ReLU. Padding is "same" with the odd pixel at the end (`docs/spec.md#i3d`). If the backend has no
 * fast 3D convolution, the frames under the window become channels of one 2D convolution.
 * @param x `[B, T, H, W, in]`
 * @returns `[B, T', H', W', out]`
 */
export function convolve3d(params: Convolution3dParams, x: Tensor5D, stride: Extent3d): Tensor5D {
  return tidy(() => drained(convolve3dSteps(params, x, stride)));
}

/** The number of multiplications of one step of {@link convolve3dSteps}, at most, unless one frame takes more. */
const stepWork = 1e9;

/**
 * {@link convolve3d} in steps, between which the caller may look at the time. What it returns is owned by the caller; the rest is freed, also
 * when the steps end early.
 * @returns yields the number of multiplications of each step.
 */
export function* convolve3dSteps(
  { kernel, bias }: Convolution3dParams,
  x: Tensor5D,
  stride: Extent3d,
): Generator<number, Tensor5D, void> {
  const [taps, rows, columns, inputs, outputs] = kernel.shape;
  const { time, space } = stride;
  const [clips, , height, width] = x.shape;
  const frameWork = Math.ceil(height / space) * Math.ceil(width / space) * kernel.size;
  if (taps > 1 && backendTraits().convolutions3d) {
    const whole = tidy(() => biasRelu(conv3d(x, kernel, [time, space, space], "same"), bias));
    yield whole.shape[0] * whole.shape[1] * frameWork;
    return whole;
  }
  const frames = tidy(() => framesUnderWindow(x, taps, time));
  const filter = tidy(() => {
    // [taps, rows, columns, in, out] as [rows, columns, taps * in, out]
    const flat = taps === 1 ? [kernel] : Array.from({ length: taps }, (_, tap) => slice(kernel, tap, 1));
    return concat(
      flat.map((one) => reshape(one, [rows, columns, inputs, outputs]) as Tensor4D),
      2,
    );
  });
  const pieces: Tensor4D[] = [];
  try {
    const [count] = frames[0]!.shape;
    const size = Math.max(1, Math.floor(stepWork / frameWork));
    for (let at = 0; at < count; at += size) {
      const length = Math.min(size, count - at);
      const piece = tidy(() => {
        const parts = length === count ? frames : frames.map((frame) => slice(frame, at, length));
        const value = parts.length === 1 ? parts[0]! : concat(parts, 3);
        return convolveRelu({ kernel: filter, bias }, value, space, "same");
      });
      pieces.push(piece);
      yield length * frameWork;
    }
    return tidy(() => withTime(concat(pieces, 0), clips));
  } finally {
    dispose([filter, ...frames, ...pieces]);
  }
}

/** What steps return, taken one after the other. */
export function drained<T>(steps: Generator<unknown, T, void>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/**
 * A 3D max-pool of values of at least 0, zero-padded as in {@link convolve3d}. It takes the maximum over rows and columns first, then
 * over frames.
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

/** For each position in a window of `taps` frames, the frames there of all windows, `[B * T', H, W, C]`; frames beyond the ends are 0. */
function framesUnderWindow(x: Tensor5D, taps: number, stride: number): Tensor4D[] {
  const [clips, time, height, width, channels] = x.shape;
  if (taps === 1 && stride === 1) return [reshape(x, [clips * time, height, width, channels])];
  const count = Math.ceil(time / stride);
  const missing = Math.max((count - 1) * stride + taps - time, 0);
  const before = Math.floor(missing / 2);
  const frameValues = height * width * channels;
  // Long enough to split the frames into groups of `stride`, starting at any tap.
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

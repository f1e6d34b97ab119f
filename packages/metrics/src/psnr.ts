import {
  fill,
  less,
  log,
  mean,
  mul,
  reshape,
  squaredDifference,
  tidy,
  where,
  type Scalar,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import { checkOptions, checkRgbClip, checkShape, CoordTokError, type OptionNames, type RgbClip } from "@coordtok/core";
import { hasFused, isRecording, runFused } from "@coordtok/core/nn";

/** Options of {@link psnr} and {@link psnrPerFrame}. */
export interface PsnrOptions {
  /** The distance from black to white in the given values: 1 for values in [0, 1] (default), 2 for the model range. */
  readonly dataRange?: number | undefined;
}

const psnrOptionNames: OptionNames<PsnrOptions> = { dataRange: true };

/** The PSNR of a clip and of each of its frames, in dB. */
export interface RgbPsnr {
  /** `10 log10(1 / MSE)` with one MSE over all values of all frames; `Infinity` for identical clips. */
  readonly clipDb: number;
  /** The PSNR of each frame; 100 for a frame with an MSE below 1e-10. */
  readonly framesDb: readonly number[];
}

/** The PSNR in dB of a frame whose error is below {@link smallestFrameError}. */
const bestFrameDb = 100;
/** The mean squared error, at data range 1, below which a frame counts as equal. */
const smallestFrameError = 1e-10;

/**
 * Computes PSNR as the paper reports it: `10 log10(range^2 / MSE)` with **one** MSE over all values of a clip, values not clamped. The
 * paper's number for a set of clips is the mean of this over the clips. It is not the mean over the frames, which is never lower
 * (`docs/spec.md#psnr`).
 * @param reference a clip `[T, H, W, 3]`, or any other shape.
 * @param other a tensor of the same shape.
 * @returns dB, `Infinity` if both are equal.
 * @throws CoordTokError `shape` if the shapes differ, `input` for a data range that is not above 0.
 */
export function psnr(reference: Tensor, other: Tensor, options: PsnrOptions = {}): Scalar {
  checkOptions(options, psnrOptionNames, "psnr");
  checkShape(other, reference.shape, "the other clip");
  return tidy(() => decibels(meanSquaredError(reference, other, 0, dataRangeOf(options)) as Scalar));
}

/**
 * Computes PSNR frame by frame: {@link psnr} of each frame, but 100 dB if the MSE at data range 1 is below 1e-10.
 * @param reference `[T, H, W, 3]`
 * @param other a tensor of the same shape.
 * @returns `[T]` dB.
 * @throws CoordTokError `shape` if the shapes differ or do not have four axes, `input` for a data range that is not above 0.
 */
export function psnrPerFrame(reference: Tensor4D, other: Tensor4D, options: PsnrOptions = {}): Tensor1D {
  checkOptions(options, psnrOptionNames, "psnrPerFrame");
  checkShape(reference, [undefined, undefined, undefined, undefined], "a clip");
  checkShape(other, reference.shape, "the other clip");
  return tidy(() => {
    const errors = meanSquaredError(reference, other, 1, dataRangeOf(options)) as Tensor1D;
    return where(less(errors, smallestFrameError), fill(errors.shape, bestFrameDb), decibels(errors));
  });
}

/**
 * Computes PSNR of two clips of bytes, in double precision and without tensors, by the rules of {@link psnr} and {@link psnrPerFrame}.
 * @throws CoordTokError `shape` if the clips differ in size or number of frames.
 */
export function psnrOfRgb(reference: RgbClip, other: RgbClip): RgbPsnr {
  checkSameSize(reference, other);
  const { frameCount } = reference;
  const frameValues = reference.data.length / frameCount;
  const errors = Array.from({ length: frameCount }, (_, frame) =>
    squaredErrorSum(reference.data, other.data, frame * frameValues, frameValues),
  );
  return psnrOfErrors(errors, frameValues);
}

/** Computes the PSNR of a clip of bytes from the sums of squared errors of its frames, which have `frameValues` values each. */
export function psnrOfErrors(errors: readonly number[], frameValues: number): RgbPsnr {
  const total = errors.reduce((sum, error) => sum + error, 0);
  return {
    clipDb: -10 * Math.log10(total / 255 ** 2 / (errors.length * frameValues)),
    framesDb: errors.map((error) => frameDecibels(error / 255 ** 2 / frameValues)),
  };
}

/** Throws `shape` unless two clips of bytes have the same size and number of frames. */
function checkSameSize(reference: RgbClip, other: RgbClip): void {
  checkRgbClip(reference);
  checkRgbClip(other);
  const size = (clip: RgbClip): string => `${clip.frameCount} frames of ${clip.width}x${clip.height}`;
  if (size(reference) !== size(other))
    throw new CoordTokError(
      "shape",
      `Expected two clips of the same size, got ${size(reference)} and ${size(other)}; cut or resize one of them.`,
    );
}

/** Computes the sum of squared errors of a range of bytes, an exact integer. */
export function squaredErrorSum(a: Uint8Array, b: Uint8Array, begin: number, count: number): number {
  let sum = 0;
  for (let i = begin; i < begin + count; i++) {
    const difference = a[i]! - b[i]!;
    sum += difference * difference;
  }
  return sum;
}

function frameDecibels(error: number): number {
  return error < smallestFrameError ? bestFrameDb : -10 * Math.log10(error);
}

function dataRangeOf({ dataRange = 1 }: PsnrOptions): number {
  if (!(dataRange > 0 && Number.isFinite(dataRange)))
    throw new CoordTokError("input", `Expected a data range above 0, got ${dataRange}.`);
  return dataRange;
}

/** The mean squared error over all axes from `axis` on, at data range 1. */
function meanSquaredError(reference: Tensor, other: Tensor, axis: number, dataRange: number): Tensor {
  const kept = reference.shape.slice(0, axis);
  const rows = kept.reduce((product, dim) => product * dim, 1);
  const [a, b] = [reference, other].map((clip) => reshape(clip, [rows, -1])) as [Tensor2D, Tensor2D];
  // The fused operation has no gradient.
  const fused = hasFused("CoordTokMeanSquaredDifference") && !isRecording();
  const means = fused ? runFused("CoordTokMeanSquaredDifference", { a, b }, {})[0] : composedMeans(a, b, reference);
  return mul(reshape(means, kept), 1 / dataRange ** 2);
}

/** Averages row by row first, then the rest: wasm accumulates serially in float32, so one long sum would lose precision. */
function composedMeans(a: Tensor2D, b: Tensor2D, { shape }: Tensor): Tensor {
  const line = shape.slice(-2).reduce((product, dim) => product * dim, 1);
  const lines = mean(reshape(squaredDifference(a, b), [-1, line]), 1);
  return mean(reshape(lines, [a.shape[0], -1]), 1);
}

function decibels<T extends Tensor>(errors: T): T {
  return mul(log(errors), -10 / Math.LN10);
}

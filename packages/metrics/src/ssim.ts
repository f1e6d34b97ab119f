import {
  add,
  avgPool,
  concat,
  div,
  matMul,
  mean,
  mul,
  neg,
  pow,
  relu,
  reshape,
  slice,
  split,
  square,
  stack,
  sub,
  tensor,
  tensor1d,
  tidy,
  transpose,
  unstack,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import { checkOptions, checkShape, CoordTokError, type OptionNames } from "@coordtok/core";
import { hasFused, isRecording, runFused } from "@coordtok/core/nn";

/** Options of {@link ssimPerFrame} and {@link msSsimPerFrame}. */
export interface SsimOptions {
  /** The distance from black to white in the given values: 1 for values in [0, 1] (default), 2 for the model range, 255 for bytes. */
  readonly dataRange?: number | undefined;
}

const ssimOptionNames: OptionNames<SsimOptions> = { dataRange: true };

const taps = 11;
const deviation = 1.5;
const k1 = 0.01;
const k2 = 0.03;

/** The exponents of the five scales of MS-SSIM, finest first (Wang, Simoncelli and Bovik 2003). */
const scaleWeights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333] as const;

/**
 * Computes the SSIM of each frame: 1 for equal frames, lower for worse. It uses a Gaussian window of 11x11 with a deviation of 1.5, only at
 * positions inside the frame, biased variances, K1 = 0.01 and K2 = 0.03, and averages over positions, then over the colours
 * (`docs/spec.md#ssim`). To compare bytes as the official evaluation does, pass `truncatedBytes` of both and a data range of 255.
 * @param reference `[T, H, W, C]`, at least 11x11.
 * @param other a tensor of the same shape.
 * @returns `[T]`
 * @throws CoordTokError `shape` if shapes differ or frames are smaller than the window.
 */
export function ssimPerFrame(reference: Tensor4D, other: Tensor4D, options: SsimOptions = {}): Tensor1D {
  checkOptions(options, ssimOptionNames, "ssimPerFrame");
  checkPair(reference, other, taps, "SSIM");
  return tidy(() => mean<Tensor1D>(termMeans(reference, other, options).ssim, 1));
}

/**
 * Computes the MS-SSIM of each frame: over five scales, each half the previous one, the product of the means of the contrast terms to the
 * powers 0.0448, 0.2856, 0.3001, 0.2363 and 0.1333, with the luminance term at the coarsest scale; per colour, then averaged over the colours
 * (Wang, Simoncelli and Bovik 2003). Halving averages 2x2 values and drops an odd last row or column; a negative mean of a
 * contrast term counts as 0.
 * @param reference `[T, H, W, C]`, at least 176x176.
 * @param other a tensor of the same shape.
 * @returns `[T]`
 * @throws CoordTokError `shape` if shapes differ or frames are too small for the window at the coarsest scale.
 */
export function msSsimPerFrame(reference: Tensor4D, other: Tensor4D, options: SsimOptions = {}): Tensor1D {
  checkOptions(options, ssimOptionNames, "msSsimPerFrame");
  checkPair(reference, other, taps * 2 ** (scaleWeights.length - 1), "MS-SSIM");
  return tidy(() => {
    let [fine, otherFine] = [reference, other];
    const factors = scaleWeights.map((weight, scale) => {
      if (scale > 0) [fine, otherFine] = [halved(fine), halved(otherFine)];
      const { ssim, contrast } = termMeans(fine, otherFine, options);
      return pow(relu(scale === scaleWeights.length - 1 ? ssim : contrast), weight);
    });
    return mean<Tensor1D>(
      factors.reduce((product, factor) => mul(product, factor)),
      1,
    );
  });
}

function checkPair(reference: Tensor4D, other: Tensor4D, smallest: number, what: string): void {
  checkShape(reference, [undefined, undefined, undefined, undefined], "a clip");
  checkShape(other, reference.shape, "the other clip");
  const [, height, width] = reference.shape;
  if (Math.min(height, width) < smallest)
    throw new CoordTokError(
      "shape",
      `Expected frames of at least ${smallest}x${smallest} for ${what}, got ${width}x${height}.`,
    );
}

/** Means over the positions of each frame, per colour. */
interface TermMeans {
  /** The means of the product of both terms, `[T, C]`. */
  readonly ssim: Tensor2D;
  /** The means of the contrast term, `[T, C]`. */
  readonly contrast: Tensor2D;
}

function termMeans(reference: Tensor4D, other: Tensor4D, { dataRange = 1 }: SsimOptions): TermMeans {
  // The fused operation has no gradient.
  if (hasFused("CoordTokSsim") && !isRecording()) return fusedMeans(reference, other, dataRange);
  return composedMeans(reference, other, dataRange);
}

function fusedMeans(reference: Tensor4D, other: Tensor4D, dataRange: number): TermMeans {
  const constants = tensor1d([2 * (k1 * dataRange) ** 2, 2 * (k2 * dataRange) ** 2]);
  const inputs = { reference, other, window: tensor1d(gaussian()), constants };
  const [ssim, contrast] = unstack(runFused("CoordTokSsim", inputs, {})[0], 1) as [Tensor2D, Tensor2D];
  return { ssim, contrast };
}

/** The windows as matrices that filter along the axes of rows and columns. */
interface Filters {
  /** `[H-10, H]` */
  readonly rows: Tensor2D;
  /** `[W-10, W]` */
  readonly columns: Tensor2D;
}

/** Computes the means frame by frame, so that only the intermediates of one frame are in memory. */
function composedMeans(reference: Tensor4D, other: Tensor4D, dataRange: number): TermMeans {
  const [frames, height, width, channels] = reference.shape;
  const filters = { rows: gaussianBand(height), columns: gaussianBand(width) };
  const frameOf = (clip: Tensor4D, t: number): Tensor3D =>
    reshape(slice(clip, [t, 0, 0, 0], [1, height, width, channels]), [height, width, channels]);
  const all = Array.from({ length: frames }, (_, t) =>
    tidy(() => {
      const { luminance, contrast } = similarity(frameOf(reference, t), frameOf(other, t), filters, dataRange);
      return [positionMean(mul(luminance, contrast)), positionMean(contrast)] as const;
    }),
  );
  const [ssim, contrast] = [stack(all.map(([one]) => one)), stack(all.map(([, one]) => one))];
  return { ssim: ssim as Tensor2D, contrast: contrast as Tensor2D };
}

/**
 * The two terms of SSIM at each position, `[columns, rows, C]`, computed from the sum and the difference of the frames:
 * with s = x + y and d = x - y the luminance term is `1 - 2 E[d]^2 / (E[s]^2 + E[d]^2 + 2 C1)` and the contrast term
 * `1 - 2 V[d] / (V[s] + V[d] + 2 C2)`, which keeps its precision in float32 if the frames are similar.
 */
function similarity(
  a: Tensor3D,
  b: Tensor3D,
  filters: Filters,
  dataRange: number,
): { luminance: Tensor3D; contrast: Tensor3D } {
  const total = mul(add(a, b), 1 / dataRange);
  const difference = mul<Tensor3D>(sub(a, b), 1 / dataRange);
  // Variances do not depend on the mean; subtracting most of it makes the squares more precise.
  const centre = mean(mean(total, 0, true), 1, true);
  const centred = sub<Tensor3D>(total, centre);
  const [s, d, ss, dd] = smoothed([centred, difference, square(centred), square(difference)], filters);
  const meanOfSum = square(add(s!, centre));
  const meanOfDifference = square(d!);
  const varianceOfSum = sub(ss!, square(s!));
  const varianceOfDifference = sub(dd!, meanOfDifference);
  return {
    luminance: complement(meanOfDifference, meanOfSum, 2 * k1 ** 2),
    contrast: complement(varianceOfDifference, varianceOfSum, 2 * k2 ** 2),
  };
}

/** `1 - 2 d / (s + d + constant)` */
function complement(d: Tensor, s: Tensor, constant: number): Tensor3D {
  return add(neg(div(mul(d, 2), add(add(s, d), constant))), 1);
}

/** Filters maps `[H, W, C]` with the window, to `[columns, rows, C]` each, by two matrix products for all maps together. */
function smoothed(maps: readonly Tensor3D[], { rows, columns }: Filters): Tensor3D[] {
  const [height, width, channels] = maps[0]!.shape;
  const [outRows, outColumns] = [rows.shape[0], columns.shape[0]];
  const deep = maps.length * channels;
  const beside = concat([...maps], 2);
  const alongRows = reshape(matMul(rows, reshape(beside, [height, width * deep])), [outRows, width, deep]);
  const turned = reshape(transpose(alongRows, [1, 0, 2]), [width, outRows * deep]);
  const both = reshape(matMul(columns, turned), [outColumns, outRows, deep]);
  return split<Tensor3D>(both, maps.length, 2);
}

/** The mean over positions, `[C]`, axis by axis, since wasm accumulates serially in float32. */
function positionMean(map: Tensor): Tensor1D {
  return mean(mean(map, 0), 0);
}

function halved(frames: Tensor4D): Tensor4D {
  return avgPool(frames, 2, 2, "valid");
}

/** The window along one axis. */
function gaussian(): number[] {
  const weights = Array.from({ length: taps }, (_, i) => Math.exp(-((i - (taps - 1) / 2) ** 2) / (2 * deviation ** 2)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** The window as a matrix `[side-10, side]`, whose row i holds the window from column i on. */
function gaussianBand(side: number): Tensor2D {
  const weights = gaussian();
  const rows = side - taps + 1;
  const values = new Float32Array(rows * side);
  for (let row = 0; row < rows; row++) weights.forEach((weight, tap) => (values[row * side + row + tap] = weight));
  return tensor(values, [rows, side]);
}

import { CoordTokError, type Random } from "@coordtok/core";
import { gatherRows, linear } from "@coordtok/core/nn";
import { add, mul, sigmoid, tensor2d, tidy, type Rank, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import { classRows, type SiTConfig } from "../config.js";
import type { ConditioningParams } from "./params.js";

/** The number of features that encode a time. */
export const timeFeatures = 256;

/**
 * Encodes times as cosines, then sines, of `time * period^(-k / half)`, with a final 0 when the width is odd
 * (`docs/spec.md#timestep-embedding`).
 * @param times as the model receives them, 0 to 1.
 * @param period of the slowest wave, divided by 2π (default 10000).
 * @returns `times.length * width` numbers.
 */
export function timeEmbedding(times: ArrayLike<number>, width: number = timeFeatures, period = 10000): Float32Array {
  const half = Math.floor(width / 2);
  const frequencies = Float64Array.from({ length: half }, (_, k) => Math.exp((-Math.log(period) * k) / half));
  const embedding = new Float32Array(times.length * width);
  for (let i = 0; i < times.length; i++)
    for (let k = 0; k < half; k++) {
      const angle = times[i]! * frequencies[k]!;
      embedding[i * width + k] = Math.cos(angle);
      embedding[i * width + half + k] = Math.sin(angle);
    }
  return embedding;
}

/**
 * The row of the table of classes that means "no class".
 * @throws CoordTokError `input` when the model has no such row (`labelDropout` 0).
 */
export function noClass(config: SiTConfig): number {
  if (classRows(config) === config.classes)
    throw new CoordTokError(
      "input",
      'The model has no "no class", because it was made with labelDropout=0; guidance needs a model with a larger labelDropout.',
    );
  return config.classes;
}

/**
 * Replaces each label by "no class" with the probability `labelDropout` of the configuration.
 * @param random the generator, of which one number is drawn per label.
 */
export function dropLabels(labels: ArrayLike<number>, config: SiTConfig, random: Pick<Random, "uniform">): Int32Array {
  const { labelDropout } = config;
  if (labelDropout === 0) return Int32Array.from(labels);
  const none = noClass(config);
  return Int32Array.from(labels, (label) => (random.uniform() < labelDropout ? none : label));
}

/**
 * Computes the condition of a model: the sum of the embeddings of time and label.
 * @param times B times, 0 to 1.
 * @param labels B whole numbers, 0 to classes-1, or {@link noClass}.
 * @returns `[B, E]`, owned by the caller.
 * @throws CoordTokError `input` for a label that the model does not know.
 */
export function condition(
  params: ConditioningParams,
  config: SiTConfig,
  times: ArrayLike<number>,
  labels: ArrayLike<number>,
): Tensor2D {
  checkLabels(labels, times.length, classRows(config));
  return tidy(() => {
    const features = tensor2d(timeEmbedding(times), [times.length, timeFeatures]);
    const hidden = silu(linear<Rank.R2>(params.timeExpand, features, { inputGradient: false }));
    return add(linear(params.timeContract, hidden), gatherRows(params.classes, Int32Array.from(labels)));
  });
}

/** Computes `x sigmoid(x)`. */
export function silu<T extends Tensor>(x: T): T {
  return tidy(() => mul<T>(x, sigmoid(x)));
}

function checkLabels(labels: ArrayLike<number>, count: number, rows: number): void {
  if (labels.length !== count)
    throw new CoordTokError("input", `Expected a label for each of ${count} clips, got ${labels.length}.`);
  for (const label of Array.from(labels))
    if (!Number.isInteger(label) || label < 0 || label >= rows)
      throw new CoordTokError("input", `Expected class numbers of 0 to ${rows - 1}, got ${label}.`);
}

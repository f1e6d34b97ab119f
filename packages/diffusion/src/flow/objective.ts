import { checkOptions, treeLeaves, type OptionNames, type Random, type TensorTree } from "@coordtok/core";
import { addN, mean, mul, reshape, square, tensor1d, tidy, type Tensor1D } from "@tensorflow/tfjs-core";
import { interpolant } from "./interpolant.js";
import type { Interval } from "./interval.js";
import type { Flow } from "./prediction.js";
import { tidyTree, scaledClips, weightedSum } from "./tree-math.js";

/** The names of the weights of a noise or score loss over time. */
export const weightings = ["none", "velocity", "likelihood"] as const;

/** `none`: 1; `velocity`: `(variance / sigma)²`; `likelihood`: `variance / sigma²`. A velocity loss is never weighted. */
export type Weighting = (typeof weightings)[number];

/** Computes `x_t` of each clip at its own time (`docs/spec.md#paths`). Returns a new tree, owned by the caller. */
export function noisyData<T extends TensorTree>(flow: Flow, data: T, noise: T, times: ArrayLike<number>): T {
  const { alpha, sigma } = interpolant(flow.path);
  return mixed(data, Array.from(times, alpha), noise, Array.from(times, sigma));
}

/**
 * The quantity that the model should predict: the velocity of `x_t`, or the noise. A score model predicts the score times `-sigma`,
 * which is also the noise.
 */
function target<T extends TensorTree>(flow: Flow, data: T, noise: T, times: ArrayLike<number>): T {
  const { alphaRate, sigmaRate } = interpolant(flow.path);
  if (flow.prediction !== "velocity") return weightedSum([[1, noise]]);
  return mixed(data, Array.from(times, alphaRate), noise, Array.from(times, sigmaRate));
}

function mixed<T extends TensorTree>(a: T, ofA: number[], b: T, ofB: number[]): T {
  return tidyTree(() =>
    weightedSum([
      [1, scaledClips(a, ofA)],
      [1, scaledClips(b, ofB)],
    ]),
  );
}

/**
 * Computes the loss of each clip: the mean over the leaves of a tree of their mean squared errors (`docs/spec.md#flow-loss`).
 * @param model the function that predicts for noisy clips at their times.
 * @param clips `data` are clean clips (the first axis of every leaf counts them), `noise` is standard normal and of the same form, and
 * `times` has one time per clip.
 * @returns `[B]`, owned by the caller.
 */
export function flowLoss<T extends TensorTree>(
  model: (noisy: T, times: ArrayLike<number>) => T,
  flow: Flow,
  clips: { readonly data: T; readonly noise: T; readonly times: ArrayLike<number> },
  weighting: Weighting = "none",
): Tensor1D {
  const { data, noise, times } = clips;
  return tidy(() => {
    const output = model(noisyData(flow, data, noise, times), times);
    const wanted = target(flow, data, noise, times);
    const { sigma } = interpolant(flow.path);
    const error =
      flow.prediction === "score"
        ? weightedSum([
            [1, scaledClips(output, Array.from(times, sigma))],
            [1, wanted],
          ])
        : weightedSum([
            [1, output],
            [-1, wanted],
          ]);
    const leaves = treeLeaves(error).map((leaf): Tensor1D => mean(reshape(square(leaf), [times.length, -1]), 1));
    const loss = mul<Tensor1D>(leaves.length === 1 ? leaves[0]! : addN(leaves), 1 / leaves.length);
    if (flow.prediction === "velocity" || weighting === "none") return loss;
    return mul(loss, tensor1d(Array.from(times, (t) => lossWeight(flow, weighting, t))));
  });
}

function lossWeight({ path }: Flow, weighting: Exclude<Weighting, "none">, t: number): number {
  const { sigma, variance } = interpolant(path);
  return weighting === "velocity" ? (variance(t) / sigma(t)) ** 2 : variance(t) / sigma(t) ** 2;
}

/**
 * The distributions that training times are drawn from: `uniform`, or `logit-normal`, the logistic function of a normal number
 * (arXiv 2403.03206, section 3.1).
 */
export const timeDistributions = ["uniform", "logit-normal"] as const;

/** One of {@link timeDistributions}. */
export type TimeDistribution = (typeof timeDistributions)[number];

/**
 * Draws times for training.
 * @param options.mean of the normal number (default 0); a larger one gives times closer to data.
 * @param options.deviation the standard deviation of the normal number (default 1).
 */
export function drawTimes(
  count: number,
  distribution: TimeDistribution,
  { from, to }: Interval,
  random: Random,
  options: { readonly mean?: number; readonly deviation?: number } = {},
): Float32Array {
  checkOptions(options, { mean: true, deviation: true } satisfies OptionNames<typeof options>, "drawTimes");
  const { mean: centre = 0, deviation = 1 } = options;
  const draw = (): number => {
    if (distribution === "uniform") return random.uniform();
    const [normal] = random.normals(1);
    return 1 / (1 + Math.exp(-(centre + deviation * normal!)));
  };
  return Float32Array.from({ length: count }, () => from + (to - from) * draw());
}

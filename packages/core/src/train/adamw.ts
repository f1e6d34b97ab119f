import { add, div, mul, sqrt, square, sub, tensor1d, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { withChanges } from "../config.js";
import { hasFused, runFused } from "../nn/fused/kernels.js";
import { treeFromLeaves, treeLeaves, type TensorTree } from "../tree.js";
import { stateLike, type Optimizer } from "./transform.js";

/** Options of AdamW; the defaults are those of the paper's tokenizer. */
export interface AdamWSettings {
  /** Decay of the first moment, 0 to 1 (default 0.9). */
  readonly beta1: number;
  /** Decay of the second moment, 0 to 1 (default 0.999). */
  readonly beta2: number;
  /** A number of at least 0, added to the root of the second moment (default 1e-8). */
  readonly epsilon: number;
  /** Decoupled weight decay, at least 0 (default 1e-3). */
  readonly weightDecay: number;
}

/** The defaults of {@link AdamWSettings} (`docs/spec.md#adamw`). */
export const adamwDefaults: AdamWSettings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-3 };

/** The moments of AdamW. */
export type AdamWState = {
  /** The moving average of the gradients. */
  readonly firstMoment: TensorTree;
  /** The moving average of their squares. */
  readonly secondMoment: TensorTree;
};

/** Returns the learning rate of a step, counted from 0. */
export type Schedule = (step: number) => number;

/**
 * Makes an AdamW optimizer (Loshchilov and Hutter, 2019) with the arithmetic of `docs/spec.md#adamw`.
 * @param learningRate a number of at least 0, or a schedule.
 */
export function adamw(learningRate: number | Schedule, settings: Partial<AdamWSettings> = {}): Optimizer<AdamWState> {
  const { beta1, beta2, epsilon, weightDecay } = withChanges(adamwDefaults, settings, "the settings of adamw");
  return {
    init: (params, create) => ({
      firstMoment: stateLike(params, create),
      secondMoment: stateLike(params, create),
    }),
    update: ({ step, params, gradients, gradientScale = 1 }, { firstMoment, secondMoment }) => {
      const lists: Lists = [params, gradients, firstMoment, secondMoment].map(treeLeaves) as Lists;
      const rate = typeof learningRate === "number" ? learningRate : learningRate(step);
      const updated = (hasFused("CoordTokAdamW") ? fusedUpdate : compositeUpdate)(lists, {
        beta1,
        beta2,
        epsilon,
        rootCorrection: Math.sqrt(1 - beta2 ** (step + 1)),
        stepSize: rate / (1 - beta1 ** (step + 1)),
        decay: 1 - rate * weightDecay,
        gradientScale,
      });
      const [moved, first, second] = updated;
      return {
        params: treeFromLeaves(params, moved),
        state: { firstMoment: treeFromLeaves(params, first), secondMoment: treeFromLeaves(params, second) },
      };
    },
  };
}

/** Parameters, gradients, first and second moments, leaf by leaf. */
type Lists = [params: Tensor[], gradients: Tensor[], first: Tensor[], second: Tensor[]];
/** New parameters, first and second moments. */
type Updated = [params: Tensor[], first: Tensor[], second: Tensor[]];

/** The numbers of one step. */
interface StepNumbers {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly rootCorrection: number;
  readonly stepSize: number;
  readonly decay: number;
  readonly gradientScale: number;
}

function compositeUpdate([params, gradients, firsts, seconds]: Lists, numbers: StepNumbers): Updated {
  const { beta1, beta2, epsilon, rootCorrection, stepSize, decay, gradientScale } = numbers;
  const updated = params.map((param, i) =>
    tidy((): [Tensor, Tensor, Tensor] => {
      const gradient = gradientScale === 1 ? gradients[i]! : mul(gradients[i]!, gradientScale);
      const first = add(mul(firsts[i]!, beta1), mul(gradient, 1 - beta1));
      const second = add(mul(seconds[i]!, beta2), mul(square(gradient), 1 - beta2));
      const denominator = add(div(sqrt(second), rootCorrection), epsilon);
      const decayed = decay === 1 ? param : mul(param, decay);
      return [sub(decayed, mul(div(first, denominator), stepSize)), first, second];
    }),
  );
  return ([0, 1, 2] as const).map((part) => updated.map((leaves) => leaves[part])) as Updated;
}

function fusedUpdate(lists: Lists, numbers: StepNumbers): Updated {
  const { beta1, beta2, epsilon, rootCorrection, stepSize, decay, gradientScale } = numbers;
  const settings = tensor1d([
    beta1,
    1 - beta1,
    beta2,
    1 - beta2,
    epsilon,
    rootCorrection,
    stepSize,
    decay,
    gradientScale,
  ]);
  const updated = runFused("CoordTokAdamW", { settings, lists }, {});
  settings.dispose();
  const count = lists[0].length;
  return ([0, 1, 2] as const).map((part) => updated.slice(part * count, (part + 1) * count)) as Updated;
}

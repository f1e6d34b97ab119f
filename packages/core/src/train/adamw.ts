import { add, div, mul, sqrt, square, sub, tensor1d, tidy, zerosLike, type Tensor } from "@tensorflow/tfjs-core";
import { hasFused, runFused } from "../nn/fused/kernels.js";
import { treeLeaves, treeFromLeaves, treeMap, type TensorTree } from "../tree.js";

/** What AdamW is told; the defaults are those of the paper's tokenizer. */
export interface AdamWSettings {
  /** Decay of the first moment, 0 to 1 (default 0.9). */
  readonly beta1: number;
  /** Decay of the second moment, 0 to 1 (default 0.999). */
  readonly beta2: number;
  /** Added to the root of the second moment (default 1e-8). */
  readonly epsilon: number;
  /** Decoupled weight decay (default 1e-3). */
  readonly weightDecay: number;
}

/** Defaults of {@link AdamWSettings} (`docs/spec.md#adamw`). */
export const adamwDefaults: AdamWSettings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-3 };

/** The moments of AdamW. */
export interface AdamWState<P extends TensorTree> {
  /** Steps taken. */
  readonly step: number;
  /** Moving average of the gradients. */
  readonly firstMoment: P;
  /** Moving average of their squares. */
  readonly secondMoment: P;
}

/** An optimizer as a pair of pure functions over trees. */
export interface Optimizer<P extends TensorTree, State> {
  /** The state before the first step; the caller owns it. */
  readonly init: (params: P) => State;
  /** New parameters and a new state, the caller's; the old ones stay untouched. The gradients count `gradientScale` times (default 1). */
  readonly update: (
    gradients: P,
    state: State,
    params: P,
    learningRate: number,
    gradientScale?: number,
  ) => { params: P; state: State };
}

/** AdamW (Loshchilov and Hutter, 2019) with the arithmetic of `docs/spec.md#adamw`. */
export function adamw<P extends TensorTree>(settings: Partial<AdamWSettings> = {}): Optimizer<P, AdamWState<P>> {
  const { beta1, beta2, epsilon, weightDecay } = { ...adamwDefaults, ...settings };
  return {
    init: (params) => ({ step: 0, firstMoment: treeMap(params, zerosLike), secondMoment: treeMap(params, zerosLike) }),
    update: (gradients, state, params, learningRate, gradientScale = 1) => {
      const step = state.step + 1;
      const lists: Lists = [params, gradients, state.firstMoment, state.secondMoment].map(treeLeaves) as Lists;
      const updated = (hasFused("CoordTokAdamW") ? fusedUpdate : compositeUpdate)(lists, {
        beta1,
        beta2,
        epsilon,
        rootCorrection: Math.sqrt(1 - beta2 ** step),
        stepSize: learningRate / (1 - beta1 ** step),
        decay: 1 - learningRate * weightDecay,
        gradientScale,
      });
      const tree = (leaves: Tensor[]): P => treeFromLeaves(params, leaves);
      const [newParams, firstMoment, secondMoment] = updated;
      return {
        params: tree(newParams),
        state: { step, firstMoment: tree(firstMoment), secondMoment: tree(secondMoment) },
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

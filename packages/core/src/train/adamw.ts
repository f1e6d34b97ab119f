import { add, div, mul, sqrt, square, sub, tidy, zerosLike, type Tensor } from "@tensorflow/tfjs-core";
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

/** Defaults of {@link AdamWSettings} (fixture README 5.5). */
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
  /** New parameters and a new state, the caller's; the old ones stay untouched. */
  readonly update: (gradients: P, state: State, params: P, learningRate: number) => { params: P; state: State };
}

/** AdamW (Loshchilov and Hutter, 2019) with the arithmetic of fixture README 5.5. */
export function adamw<P extends TensorTree>(settings: Partial<AdamWSettings> = {}): Optimizer<P, AdamWState<P>> {
  const { beta1, beta2, epsilon, weightDecay } = { ...adamwDefaults, ...settings };
  return {
    init: (params) => ({ step: 0, firstMoment: treeMap(params, zerosLike), secondMoment: treeMap(params, zerosLike) }),
    update: (gradients, state, params, learningRate) => {
      const step = state.step + 1;
      const rootCorrection = Math.sqrt(1 - beta2 ** step);
      const stepSize = learningRate / (1 - beta1 ** step);
      const gradientLeaves = treeLeaves(gradients);
      const firstLeaves = treeLeaves(state.firstMoment);
      const secondLeaves = treeLeaves(state.secondMoment);
      const updated = treeLeaves(params).map((param, i) => {
        const gradient = gradientLeaves[i]!;
        return tidy((): [Tensor, Tensor, Tensor] => {
          const first = add(mul(firstLeaves[i]!, beta1), mul(gradient, 1 - beta1));
          const second = add(mul(secondLeaves[i]!, beta2), mul(square(gradient), 1 - beta2));
          const denominator = add(div(sqrt(second), rootCorrection), epsilon);
          const decayed = weightDecay === 0 ? param : mul(param, 1 - learningRate * weightDecay);
          return [sub(decayed, mul(div(first, denominator), stepSize)), first, second];
        });
      });
      const tree = (index: 0 | 1 | 2): P =>
        treeFromLeaves(
          params,
          updated.map((leaves) => leaves[index]),
        );
      return { params: tree(0), state: { step, firstMoment: tree(1), secondMoment: tree(2) } };
    },
  };
}

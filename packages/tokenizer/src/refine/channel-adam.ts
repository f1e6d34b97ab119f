import { disposeTree } from "@coordtok/core";
import { mapPlanes, type Triplane } from "@coordtok/triplane";
import { add, divNoNan, mean, mul, sqrt, square, sub, tidy, type Tensor4D } from "@tensorflow/tfjs-core";

/** Decay of the mean of the gradients, and of their mean square. */
const [beta1, beta2] = [0.9, 0.999];

/**
 * Adam whose second moment is one number for a channel instead of one for each of its numbers (`docs/spec.md#refinement`): its steps are in proportion
 * to the gradient, so that few of them go far, where Adam's own first step goes equally far for every number.
 */
export class ChannelAdam {
  #first: Triplane | undefined;
  #second: Triplane | undefined;
  #steps = 0;

  /**
   * One step.
   * @param params stay the caller's.
   * @param gradients of the form of `params`; they stay the caller's.
   * @returns new parameters, the caller's.
   */
  step(params: Triplane, gradients: Triplane, learningRate: number): Triplane {
    const first = averaged(this.#first, beta1, (plane) => gradients[plane]);
    const second = averaged(this.#second, beta2, (plane) => mean(square(gradients[plane]), [0, 1, 2], true));
    this.dispose();
    [this.#first, this.#second] = [first, second];
    this.#steps++;
    const rate = learningRate / (1 - beta1 ** this.#steps);
    const correction = Math.sqrt(1 - beta2 ** this.#steps);
    return mapPlanes((plane) =>
      tidy(() => {
        const size = mul(sqrt(second[plane]), 1 / correction);
        return sub<Tensor4D>(params[plane], mul(divNoNan(first[plane], size), rate));
      }),
    );
  }

  /** Frees the moments. */
  dispose(): void {
    disposeTree([this.#first, this.#second]);
    this.#first = this.#second = undefined;
  }
}

/** The moving average after one more value, from 0 where there was none. */
function averaged(before: Triplane | undefined, decay: number, value: (plane: keyof Triplane) => Tensor4D): Triplane {
  return mapPlanes((plane) =>
    tidy(() => {
      const next = mul<Tensor4D>(value(plane), 1 - decay);
      return before === undefined ? next : add<Tensor4D>(mul(before[plane], decay), next);
    }),
  );
}

import type { Random } from "@coordtok/core";
import { dispose, type Tensor } from "@tensorflow/tfjs-core";
import { i3dParamsFromStateDict, i3dWeightShapes, type I3dParams } from "./i3d-params.js";

/** Draws random weights of I3D under their PyTorch names: batch normalisations uniform in [0.5, 1), the others normal as in He et al. */
export function randomI3dStateDict(random: Random, classes?: number): Map<string, Tensor> {
  return new Map(
    [...i3dWeightShapes(classes)].map(([name, shape]) => {
      const inputs = shape.slice(1).reduce((product, dim) => product * dim, 1);
      const made = name.includes("bn")
        ? random.uniformTensor([...shape], 0.5, 1)
        : random.normalTensor([...shape], Math.sqrt(2 / inputs));
      return [name, made];
    }),
  );
}

/**
 * Makes I3D weights at random, for tests and timings: the network responds to differences, but its distances are not comparable with others.
 * @param classes the number of classes of the classifier (default 400).
 * @returns weights owned by the caller; free them with `disposeI3dParams`.
 */
export function randomI3dParams(random: Random, classes?: number): I3dParams {
  const tensors = randomI3dStateDict(random, classes);
  const params = i3dParamsFromStateDict(tensors);
  dispose([...tensors.values()]);
  return params;
}

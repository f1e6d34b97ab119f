import type { Rank, Tensor, Tensor1D } from "@tensorflow/tfjs-core";
import type { LayerNormParams } from "../layer-norm.js";
import { areWeightsFixed, operation } from "../operation.js";
import { runFused } from "./kernels.js";

/** Layer norm over the last axis by the fused operations. */
export function fusedLayerNorm<R extends Rank>(
  { scale, shift }: LayerNormParams,
  x: Tensor<R>,
  epsilon: number,
): Tensor<R> {
  const fixed = areWeightsFixed();
  return operation<R>(
    fixed ? [x] : [x, scale, shift],
    (save) => {
      save([x, scale]);
      return runFused("CoordTokLayerNorm", { x, scale, shift }, { epsilon })[0] as Tensor<R>;
    },
    (dy, saved) => {
      const inputs = { x: saved[0]!, scale: saved[1] as Tensor1D, dy };
      const gradients = runFused("CoordTokLayerNormGradient", inputs, { epsilon, biasGradient: false });
      return fixed ? gradients.slice(0, 1) : gradients;
    },
  );
}

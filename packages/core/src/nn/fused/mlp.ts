import { reshape, type Rank, type Tensor, type Tensor1D, type Tensor2D } from "@tensorflow/tfjs-core";
import type { MlpParams } from "../mlp.js";
import { operation } from "../operation.js";
import { affine, columnSums, product } from "../product.js";
import { runFused } from "./kernels.js";

/** An MLP with the exact GELU; bias, GELU and their gradients are fused operations. */
export function fusedMlp<R extends Rank>({ expand, contract }: MlpParams, x: Tensor<R>): Tensor<R> {
  const width = expand.kernel.shape[0];
  const flat = (tensor: Tensor): Tensor2D => reshape(tensor, [x.size / width, width]);
  const biases = [expand.bias, contract.bias] as [Tensor1D, Tensor1D];
  return operation<R>(
    [x, expand.kernel, biases[0], contract.kernel, biases[1]],
    (save) => {
      const input = flat(x);
      const hidden = product(input, expand.kernel);
      save([input, hidden, expand.kernel, biases[0], contract.kernel]);
      const [active] = runFused("CoordTokGelu", { x: hidden, bias: biases[0] }, {}) as [Tensor2D];
      return reshape(affine(active, contract.kernel, biases[1]), x.shape);
    },
    (dy, saved) => {
      const [input, hidden, up, bias, down] = saved as [Tensor2D, Tensor2D, Tensor2D, Tensor1D, Tensor2D];
      const flatDy = flat(dy);
      const activeGradient = product(flatDy, down, false, true);
      const gradient = runFused("CoordTokGeluGradient", { x: hidden, dy: activeGradient, bias }, {});
      const [hiddenGradient, biasGradient, active] = gradient as [Tensor2D, Tensor1D, Tensor2D];
      return [
        reshape(product(hiddenGradient, up, false, true), x.shape),
        product(input, hiddenGradient, true, false),
        biasGradient,
        product(active, flatDy, true, false),
        columnSums(flatDy),
      ];
    },
  );
}

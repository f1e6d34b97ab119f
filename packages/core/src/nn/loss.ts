import {
  mean,
  mul,
  reshape,
  square,
  sub,
  sum,
  type Rank,
  type Scalar,
  type Tensor,
  type Tensor1D,
} from "@tensorflow/tfjs-core";
import { operation } from "./operation.js";

/**
 * The mean squared error of each clip, **summed** over the batch (`docs/spec.md#stage-1-loss`). It sums axis by axis, since wasm
 * accumulates serially in float32.
 * @param prediction `[B, N, values]`; only it receives a gradient.
 * @param target of the same shape.
 */
export function meanSquaredErrorSum(prediction: Tensor<Rank.R3>, target: Tensor<Rank.R3>): Scalar {
  const perClip = prediction.size / prediction.shape[0];
  return operation<Rank.R0>(
    [prediction],
    (save) => {
      const difference = sub(prediction, target);
      save([difference]);
      return sum(mean(mean(square(difference), -1), -1));
    },
    (dy, saved) => [mul(saved[0]!, mul(dy, 2 / perClip))],
  );
}

/**
 * The mean squared error of each clip, `[B]`. It sums axis by axis, since wasm accumulates serially in float32.
 * @param prediction `[B, N, values]`; only it receives a gradient.
 * @param target of the same shape.
 */
export function meanSquaredErrors(prediction: Tensor<Rank.R3>, target: Tensor<Rank.R3>): Tensor1D {
  const [clips, count, values] = prediction.shape;
  return operation<Rank.R1>(
    [prediction],
    (save) => {
      const difference = sub(prediction, target);
      save([difference]);
      return mean(mean(square(difference), 2), 1);
    },
    (dy, saved) => [mul(saved[0]!, reshape(mul(dy, 2 / (count * values)), [clips, 1, 1]))],
  );
}

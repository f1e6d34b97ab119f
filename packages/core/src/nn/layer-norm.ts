import {
  add,
  mean,
  mul,
  reshape,
  rsqrt,
  sub,
  type Rank,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
} from "@tensorflow/tfjs-core";
import type { Initializer } from "./init.js";
import { hasFused } from "./fused/kernels.js";
import { fusedLayerNorm } from "./fused/layer-norm.js";
import { operation } from "./operation.js";
import { columnSums } from "./product.js";

/** The parameters of a layer norm over vectors of `size` numbers. */
export type LayerNormParams = {
  /** The factor `[size]`. */
  readonly scale: Tensor1D;
  /** The offset `[size]`. */
  readonly shift: Tensor1D;
};

/** Creates a layer norm with scale 1 and shift 0. */
export function createLayerNorm(init: Initializer, size: number): LayerNormParams {
  return { scale: init.ones(size), shift: init.zeros(size) };
}

/**
 * Layer norm over the last axis, with the biased variance.
 * @param x `[..., size]`
 * @param epsilon added to the variance; it differs between the parts of the official model (`docs/spec.md#layer-norm`).
 */
export function layerNorm<R extends Rank>(params: LayerNormParams, x: Tensor<R>, epsilon: number): Tensor<R> {
  if (hasFused("CoordTokLayerNorm")) return fusedLayerNorm(params, x, epsilon);
  const size = params.scale.shape[0];
  const flat = (tensor: Tensor): Tensor2D => reshape(tensor, [x.size / size, size]);
  return operation<R>(
    [x, params.scale, params.shift],
    (save) => {
      save([x, params.scale]);
      const { normal } = normalise(flat(x), epsilon);
      return reshape(add(mul(normal, params.scale), params.shift), x.shape);
    },
    (dy, saved) => {
      const [input, scale] = saved as [Tensor, Tensor1D];
      const { normal, inverse } = normalise(flat(input), epsilon);
      const flatDy = flat(dy);
      return [
        reshape(inputGradient(flatDy, normal, inverse, scale), x.shape),
        columnSums(mul(flatDy, normal)),
        columnSums(flatDy),
      ];
    },
  );
}

function normalise(x: Tensor2D, epsilon: number): { normal: Tensor2D; inverse: Tensor2D } {
  const centred = sub<Tensor2D>(x, mean(x, 1, true));
  const inverse = rsqrt(add<Tensor2D>(mean(mul(centred, centred), 1, true), epsilon));
  return { normal: mul(centred, inverse), inverse };
}

function inputGradient(dy: Tensor2D, normal: Tensor2D, inverse: Tensor2D, scale: Tensor1D): Tensor2D {
  const scaled = mul<Tensor2D>(dy, scale);
  const along = mul(normal, mean(mul(scaled, normal), 1, true));
  return mul(inverse, sub(sub(scaled, mean(scaled, 1, true)), along));
}

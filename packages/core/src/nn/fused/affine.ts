import type { Tensor3D } from "@tensorflow/tfjs-core";
import type { LinearParams } from "../linear.js";
import { productOfEach } from "../product.js";
import { runFused } from "./kernels.js";

/**
 * Applies an affine map to every matrix of a batch, `x kernel + bias`; not differentiable on its own. With a bias it needs the fused
 * operation `CoordTokAdd` of the backend.
 * @param x `[B, M, K]`
 * @returns `[B, M, N]`
 */
export function affineOfEach(x: Tensor3D, { kernel, bias }: LinearParams): Tensor3D {
  const mapped = productOfEach(x, kernel);
  if (bias === undefined) return mapped;
  const [sum] = runFused("CoordTokAdd", { x: mapped, bias }, {}) as [Tensor3D];
  mapped.dispose();
  return sum;
}

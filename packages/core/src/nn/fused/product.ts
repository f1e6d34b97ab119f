import type { Tensor2D, Tensor3D } from "@tensorflow/tfjs-core";
import { hasFused, runFused } from "./kernels.js";

/** Up to this many rows or multiplications the fused product is faster than TensorFlow's, which takes at least 0.15 ms. */
const fewRows = 32;
const fewMultiplications = 2 ** 22;

/** Tells whether {@link fusedProduct} is available and faster for a product of this size. */
export function isSmallProduct(rows: number, depth: number, columns: number, transposeB: boolean): boolean {
  const few = (rows <= fewRows && !transposeB) || rows * depth * columns <= fewMultiplications;
  return few && hasFused("CoordTokProduct");
}

/** The product of `a` with `b`; `a` is a matrix or, unless transposed, a batch of matrices. */
export function fusedProduct<T extends Tensor2D | Tensor3D>(
  a: T,
  b: Tensor2D,
  transposeA: boolean,
  transposeB: boolean,
): T {
  return runFused("CoordTokProduct", { a, b }, { transposeA, transposeB })[0] as T;
}

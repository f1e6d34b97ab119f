import { fused, matMul, ones, reshape, transpose, type Tensor1D, type Tensor2D } from "@tensorflow/tfjs-core";
import { hasFused, runFused } from "./fused.js";
import { backendTraits } from "./traits.js";

/**
 * The product of two matrices, either one read transposed. No gradient of its own: the layers call it inside theirs.
 * @param a `[M, K]`, or `[K, M]` with `transposeA`.
 * @param b `[K, N]`, or `[N, K]` with `transposeB`.
 * @returns `[M, N]`
 */
export function product(a: Tensor2D, b: Tensor2D, transposeA = false, transposeB = false): Tensor2D {
  if (backendTraits().transposedProducts) return matMul(a, b, transposeA, transposeB);
  const left: Tensor2D = transposeA ? transpose(a) : a;
  const right: Tensor2D = transposeB ? transpose(b) : b;
  return matMul(left, right);
}

/** `x kernel + bias` for `x [M, K]`, `kernel [K, N]`, `bias [N]`. No gradient of its own. */
export function affine(x: Tensor2D, kernel: Tensor2D, bias: Tensor1D | undefined): Tensor2D {
  return bias === undefined ? matMul(x, kernel) : (fused.matMul({ a: x, b: kernel, bias }) as Tensor2D);
}

/**
 * The sum over the rows of a matrix, `[M, N]` to `[N]`, as a product with ones: sums over the leading axis are slow on wasm
 * and add up serially in float32 there.
 */
export function columnSums(x: Tensor2D): Tensor1D {
  if (hasFused("CoordTokColumnSums")) return runFused("CoordTokColumnSums", { x }, {})[0];
  return reshape(matMul(ones([1, x.shape[0]]), x), [x.shape[1]]);
}

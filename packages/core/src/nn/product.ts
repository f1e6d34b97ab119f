import {
  fused,
  matMul,
  ones,
  reshape,
  transpose,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
} from "@tensorflow/tfjs-core";
import { hasFused, runFused } from "./fused/kernels.js";
import { fusedProduct, isSmallProduct } from "./fused/product.js";
import { backendTraits } from "./traits.js";

/**
 * The product of two matrices, either of them optionally transposed; not differentiable on its own.
 * @param a `[M, K]`, or `[K, M]` with `transposeA`.
 * @param b `[K, N]`, or `[N, K]` with `transposeB`.
 * @returns `[M, N]`
 */
export function product(a: Tensor2D, b: Tensor2D, transposeA = false, transposeB = false): Tensor2D {
  const [depth, rows] = transposeA ? a.shape : [a.shape[1], a.shape[0]];
  if (isSmallProduct(rows, depth, b.shape[transposeB ? 0 : 1], transposeB))
    return fusedProduct(a, b, transposeA, transposeB);
  if (backendTraits().transposedProducts) return matMul(a, b, transposeA, transposeB);
  const left: Tensor2D = transposeA ? transpose(a) : a;
  const right: Tensor2D = transposeB ? transpose(b) : b;
  return matMul(left, right);
}

/**
 * The product of every matrix of a batch with one matrix; not differentiable on its own.
 * @param x `[B, M, K]`
 * @param kernel `[K, N]`, or `[N, K]` with `transposed`.
 * @returns `[B, M, N]`
 */
export function productOfEach(x: Tensor3D, kernel: Tensor2D, transposed = false): Tensor3D {
  const [clips, rows, depth] = x.shape;
  if (isSmallProduct(clips * rows, depth, kernel.shape[transposed ? 0 : 1], transposed))
    return fusedProduct(x, kernel, false, transposed);
  return matMul(x as Tensor, kernel, false, transposed) as Tensor3D;
}

/**
 * The products of the matrices of two batches, pair by pair; not differentiable on its own.
 * @param a `[B, M, K]`
 * @param b `[B, K, N]`, or `[B, N, K]` with `transposeB`.
 * @returns `[B, M, N]`
 */
export function productOfPairs(a: Tensor3D, b: Tensor3D, transposeB = false): Tensor3D {
  if (!transposeB || backendTraits().transposedProducts) return matMul(a, b, false, transposeB);
  return matMul(a, transpose(b, [0, 2, 1]));
}

/** `x kernel + bias` for `x [M, K]`, `kernel [K, N]`, `bias [N]`; not differentiable on its own. */
export function affine(x: Tensor2D, kernel: Tensor2D, bias: Tensor1D | undefined): Tensor2D {
  if (bias === undefined) return product(x, kernel);
  if (isSmallProduct(x.shape[0], ...kernel.shape, false))
    return runFused("CoordTokAdd", { x: product(x, kernel), bias }, {})[0] as Tensor2D;
  return fused.matMul({ a: x, b: kernel, bias }) as Tensor2D;
}

/**
 * The sum over the rows of a matrix, `[M, N]` to `[N]`, as a product with ones: on wasm, sums over the leading axis are slow
 * and accumulate serially in float32.
 */
export function columnSums(x: Tensor2D): Tensor1D {
  if (hasFused("CoordTokColumnSums")) return runFused("CoordTokColumnSums", { x }, {})[0];
  return reshape(matMul(ones([1, x.shape[0]]), x), [x.shape[1]]);
}

import {
  add,
  addN,
  div,
  minimum,
  mul,
  reshape,
  scalar,
  sqrt,
  square,
  sum,
  tidy,
  type Scalar,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { treeLeaves, treeMap, type TensorTree } from "../tree.js";

/** The sum of the squares of a tensor, axis by axis (wasm adds up one by one in float32). */
function sumOfSquares(x: Tensor): Scalar {
  let rest: Tensor = square(x);
  if (rest.rank === 1) rest = reshape(rest, squarish(rest.size));
  while (rest.rank > 0) rest = sum(rest, -1);
  return rest as Scalar;
}

function squarish(size: number): [number, number] {
  let rows = Math.floor(Math.sqrt(size));
  while (size % rows !== 0) rows--;
  return [rows, size / rows];
}

/** The 2-norm over all leaves of a tree. */
export function globalNorm(tree: TensorTree): Scalar {
  return tidy(() => sqrt(addN(treeLeaves(tree).map(sumOfSquares))));
}

/**
 * Gradients scaled down so that their global norm is at most `maximum`; smaller ones stay as they are.
 * @returns the norm before the scaling and a new tree; both are the caller's.
 */
export function clipByGlobalNorm<P extends TensorTree>(gradients: P, maximum: number): { norm: Scalar; gradients: P } {
  const norm = globalNorm(gradients);
  const factor = tidy(() => minimum(div(scalar(maximum), add(norm, 1e-6)), 1));
  const clipped = treeMap(gradients, (leaf) => mul(leaf, factor));
  factor.dispose();
  return { norm, gradients: clipped };
}

import {
  add,
  addN,
  clone,
  gather,
  reshape,
  scatterND,
  tensor1d,
  tensor2d,
  unstack,
  type Rank,
  type Tensor2D,
  type Tensor3D,
} from "@tensorflow/tfjs-core";
import { operation } from "./operation.js";

/**
 * Adds a table of vectors to every sequence of a batch.
 * @param x `[B, N, E]`
 * @param table `[N, E]`
 */
export function addTable(x: Tensor3D, table: Tensor2D): Tensor3D {
  return operation<Rank.R3>(
    [x, table],
    () => add(x, table),
    (dy) => [clone(dy), x.shape[0] === 1 ? reshape(dy, table.shape) : addN(unstack(dy))],
  );
}

/**
 * Gathers rows of a table by index.
 * @param table `[rows, E]`
 * @param indices indices of rows, 0 to rows-1; a row may occur more than once, and its gradients add up.
 * @returns `[indices.length, E]`
 */
export function gatherRows(table: Tensor2D, indices: Int32Array): Tensor2D {
  return operation<Rank.R2>(
    [table],
    () => gather(table, tensor1d(indices, "int32")),
    (dy) => [scatterND(tensor2d(indices, [indices.length, 1], "int32"), dy, table.shape)],
  );
}

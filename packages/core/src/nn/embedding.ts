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
 * Rows of a table by number.
 * @param table `[rows, E]`
 * @param indices which rows, each 0 to rows-1; a row may occur more than once.
 * @returns `[indices.length, E]`; its gradient adds up where a row occurs more than once.
 */
export function gatherRows(table: Tensor2D, indices: Int32Array): Tensor2D {
  return operation<Rank.R2>(
    [table],
    () => gather(table, tensor1d(indices, "int32")),
    (dy) => [scatterND(tensor2d(indices, [indices.length, 1], "int32"), dy, table.shape)],
  );
}

import {
  add,
  addN,
  div,
  minimum,
  mul,
  reshape,
  sqrt,
  square,
  sum,
  tidy,
  type Scalar,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { hasFused, runFused } from "../nn/fused/kernels.js";
import { CoordTokError } from "../errors.js";
import { treeLeaves, treeMap, type TensorTree } from "../tree.js";
import type { Transform } from "./transform.js";

/** The sum of the squares of a tensor, axis by axis, since wasm accumulates serially in float32. */
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
  return tidy(() => {
    const leaves = treeLeaves(tree);
    if (hasFused("CoordTokSumOfSquares")) return sqrt(runFused("CoordTokSumOfSquares", { lists: [leaves] }, {})[0]);
    return sqrt(addN(leaves.map(sumOfSquares)));
  });
}

/** Returns the factor that reduces gradients of a given norm to a norm of at most `maximum`; 1 if it is already small enough. */
export function clipFactor(norm: number, maximum: number): number {
  return Math.min(1, maximum / (norm + 1e-6));
}

/**
 * Makes a transform that scales gradients down if their norm exceeds `maximum`; `Infinity` never clips. Its update throws a CoordTokError
 * `config` if the step has no `gradientNorm`.
 */
export function clipByGlobalNorm(maximum: number): Transform<undefined> {
  return {
    init: () => undefined,
    update: ({ gradientScale = 1, gradientNorm }) => {
      if (gradientNorm === undefined)
        throw new CoordTokError(
          "config",
          "Expected a step with the gradient norm to clip by, got none; pass gradientNorm.",
        );
      return { gradientScale: gradientScale * clipFactor(gradientNorm, maximum), state: undefined };
    },
  };
}

/**
 * Makes a transform that scales the gradients it receives down if their own norm exceeds `maximum`. It is meant for a chain within a
 * `partition`, where `gradientNorm` of the step is the norm over all parameters.
 */
export function clipByOwnNorm(maximum: number): Transform<undefined> {
  return {
    init: () => undefined,
    update: ({ gradients, gradientScale = 1 }) => {
      const scale = tidy(() => minimum(1, div(maximum, add(mul(globalNorm(gradients), gradientScale), 1e-6))));
      const clipped = treeMap(gradients, (leaf) => mul(leaf, scale));
      scale.dispose();
      return { gradients: clipped, state: undefined };
    },
  };
}

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
  return tidy(() => {
    const leaves = treeLeaves(tree);
    if (hasFused("CoordTokSumOfSquares")) return sqrt(runFused("CoordTokSumOfSquares", { lists: [leaves] }, {})[0]);
    return sqrt(addN(leaves.map(sumOfSquares)));
  });
}

/** What gradients of a global norm are multiplied with so that the norm is at most `maximum`; 1 when it is already. */
export function clipFactor(norm: number, maximum: number): number {
  return Math.min(1, maximum / (norm + 1e-6));
}

/**
 * Scales the gradients down where their norm exceeds `maximum`; `Infinity` never does.
 * @throws CoordTokError `config` in a step without `gradientNorm`.
 */
export function clipByGlobalNorm(maximum: number): Transform<undefined> {
  return {
    init: () => undefined,
    update: ({ gradientScale = 1, gradientNorm }) => {
      if (gradientNorm === undefined)
        throw new CoordTokError(
          "config",
          "Expected the gradient norm of the step to clip by, got none; give gradientNorm.",
        );
      return { gradientScale: gradientScale * clipFactor(gradientNorm, maximum), state: undefined };
    },
  };
}

/**
 * Scales the gradients of a part of the parameters down where their own norm exceeds `maximum`: as a link of a chain within a `partition`,
 * where the norm of the step is that of all parameters.
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

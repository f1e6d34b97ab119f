import { add, mul, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { hasFused, runFused } from "../nn/fused/kernels.js";
import { treeFromLeaves, treeLeaves, type TensorTree } from "../tree.js";

/** Returns the decay of a step, counted from 0: small at first, so that the average forgets the initialisation, then `decay`. */
export function emaDecayAt(step: number, decay: number): number {
  return Math.min(decay, (1 + step) / (10 + step));
}

/** Returns a new tree with leaves `average * decay + params * (1 - decay)` (`docs/spec.md#moving-average`), owned by the caller. */
export function emaUpdate<P extends TensorTree>(average: P, params: P, decay: number): P {
  const leaves = treeLeaves(params);
  if (hasFused("CoordTokBlend")) {
    const share = tensor1d([1 - decay]);
    const blended = runFused("CoordTokBlend", { share, lists: [treeLeaves(average), leaves] }, {});
    share.dispose();
    return treeFromLeaves(average, blended);
  }
  return treeFromLeaves(
    average,
    treeLeaves(average).map((leaf, i) => tidy(() => add(mul(leaf, decay), mul(leaves[i]!, 1 - decay)))),
  );
}

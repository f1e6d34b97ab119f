// Importing the layers package registers the gradients of TensorFlow.js's own operations; bare tfjs-core in Node has none
// (`docs/decisions/0002-gradients.md`).
import "@tensorflow/tfjs-layers";
import { valueAndGrads, type Scalar } from "@tensorflow/tfjs-core";
import { treeFromLeaves, treeLeaves, type TensorTree } from "../tree.js";

/** A loss and its gradient, a tree of the form of the parameters. Both are the caller's. */
export interface LossAndGradients<P extends TensorTree> {
  /** The value of the loss. */
  readonly loss: Scalar;
  /** One gradient per parameter. */
  readonly gradients: P;
}

/**
 * The value of a loss and its gradients with respect to a tree of parameters.
 * @param params every leaf must take part in the loss.
 * @param loss a function of the parameters that gives one number.
 */
export function lossAndGradients<P extends TensorTree>(params: P, loss: (params: P) => Scalar): LossAndGradients<P> {
  const { value, grads } = valueAndGrads((...leaves) => loss(treeFromLeaves(params, leaves)))(treeLeaves(params));
  return { loss: value as Scalar, gradients: treeFromLeaves(params, grads) };
}

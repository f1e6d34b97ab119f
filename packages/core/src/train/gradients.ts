// Registers the gradients of TensorFlow.js's own operations; tfjs-core alone has none in Node. The file is made from tfjs-core's
// by every installation of the repository (`docs/decisions/0002-gradients.md`).
import "./tfjs-gradients.js";
import { valueAndGrads, type Scalar } from "@tensorflow/tfjs-core";
import { treeFromLeaves, treeLeaves, type TensorTree } from "../tree.js";

/** A loss and its gradients, both owned by the caller. */
export interface LossAndGradients<P extends TensorTree> {
  /** The value of the loss. */
  readonly loss: Scalar;
  /** One gradient per parameter, a tree of the same structure. */
  readonly gradients: P;
}

/**
 * Computes a loss and its gradients with respect to a tree of parameters.
 * @param params the parameters; the loss must depend on every leaf.
 * @param loss a function of the parameters that returns a scalar.
 */
export function lossAndGradients<P extends TensorTree>(params: P, loss: (params: P) => Scalar): LossAndGradients<P> {
  const { value, grads } = valueAndGrads((...leaves) => loss(treeFromLeaves(params, leaves)))(treeLeaves(params));
  return { loss: value as Scalar, gradients: treeFromLeaves(params, grads) };
}

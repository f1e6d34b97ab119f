import type { Scalar, Tensor4D } from "@tensorflow/tfjs-core";

/**
 * A loss that measures how different two sets of frames look. The tokenizer's second training stage takes one; `@coordtok/metrics`
 * provides LPIPS.
 * @param prediction `[frames, H, W, 3]` in the model range, not clamped; the loss must be differentiable with respect to it.
 * @param target `[frames, H, W, 3]` in [-1, 1].
 * @returns the **sum** over the frames (`docs/spec.md#stage-2-loss`), owned by the caller.
 */
export type PerceptualLoss = (prediction: Tensor4D, target: Tensor4D) => Scalar;

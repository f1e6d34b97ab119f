import { blockOptimizer, type Schedule, type Transform } from "@coordtok/core/train";
import type { LatticeTrainSettings } from "./settings.js";

/**
 * Creates the optimizer of a lattice training (`docs/spec.md#lattice-training`): Muon for the matrices within the blocks and AdamW
 * for everything else, with the AdamW gradients clipped together; or AdamW for all parameters.
 * @param settings of the training.
 * @param factor the schedule that multiplies the learning rates of a step (default: always 1).
 */
export function latticeOptimizer(settings: LatticeTrainSettings, factor: Schedule = () => 1): Transform {
  return blockOptimizer(settings, factor);
}

/**
 * The factor of the learning rates: a linear warm-up, then 1, then a linear decay to 0 over the last part of the training.
 * @param step counted from 0.
 * @param progress the share of the training done before the step, 0 to 1.
 */
export function rateFactor(
  step: number,
  progress: number,
  { warmupSteps, fallShare }: Pick<LatticeTrainSettings, "warmupSteps" | "fallShare">,
): number {
  const warm = Math.min(1, (step + 1) / Math.max(1, warmupSteps));
  return warm * Math.min(1, Math.max(0, 1 - progress) / Math.max(fallShare, Number.EPSILON));
}

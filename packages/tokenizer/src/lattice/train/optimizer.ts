import {
  adamw,
  chain,
  clipByGlobalNorm,
  clipByOwnNorm,
  muon,
  partition,
  type MuonPieces,
  type Schedule,
  type Transform,
} from "@coordtok/core/train";
import type { LatticeTrainSettings } from "./settings.js";

/**
 * Creates the optimizer of a lattice training (`docs/spec.md#lattice-training`): Muon for the matrices within the blocks and AdamW
 * for everything else, with the AdamW gradients clipped together; or AdamW for all parameters.
 * @param settings of the training.
 * @param factor the schedule that multiplies the learning rates of a step (default: always 1).
 */
export function latticeOptimizer(settings: LatticeTrainSettings, factor: Schedule = () => 1): Transform {
  const { beta1, beta2, epsilon, weightDecay } = settings;
  const rest = adamw((step) => settings.learningRate * factor(step), { beta1, beta2, epsilon, weightDecay });
  if (settings.optimizer === "adamw") return chain({ clip: clipByGlobalNorm(settings.clipNorm), adamw: rest });
  return partition((path) => (isBlockMatrix(path) ? "muon" : "rest"), {
    muon: muon((step) => settings.muonRate * factor(step), { piecesOf: blockPieces }),
    rest: chain({ clip: clipByOwnNorm(settings.clipNorm), adamw: rest }),
  });
}

/** Whether a parameter is a matrix of an attention layer or MLP. */
function isBlockMatrix(path: string): boolean {
  return path.includes(".blocks.") && path.endsWith(".kernel");
}

/**
 * The pieces of a matrix that Muon makes orthogonal one by one, and its rate: maps stored side by side are separate pieces; the
 * wide map of an MLP moves at twice the rate.
 */
function blockPieces(path: string): MuonPieces {
  if (path.endsWith(".queryKeyValue.kernel")) return { count: 3 };
  if (path.endsWith(".keyValue.kernel")) return { count: 2 };
  return path.endsWith(".mlp.expand.kernel") ? { rate: 2 } : {};
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

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
 * The optimizer of a lattice training (`docs/spec.md#lattice-training`): Muon for the matrices within the blocks and AdamW for everything
 * else, whose gradients are clipped together; or AdamW for all.
 * @param settings of the training.
 * @param factor what the learning rates of a step are multiplied by (default 1 throughout).
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

/** Whether a parameter is a matrix of an attention or MLP. */
function isBlockMatrix(path: string): boolean {
  return path.includes(".blocks.") && path.endsWith(".kernel");
}

/** Maps that lie beside each other are made orthogonal one by one; the wide map of an MLP moves at twice the rate. */
function blockPieces(path: string): MuonPieces {
  if (path.endsWith(".queryKeyValue.kernel")) return { count: 3 };
  if (path.endsWith(".keyValue.kernel")) return { count: 2 };
  return path.endsWith(".mlp.expand.kernel") ? { rate: 2 } : {};
}

/**
 * What learning rates are multiplied by: a linear warm-up, then 1, then a straight line to 0 over the last part of the training.
 * @param step counted from 0.
 * @param progress of the whole training before the step, 0 to 1.
 */
export function rateFactor(
  step: number,
  progress: number,
  { warmupSteps, fallShare }: Pick<LatticeTrainSettings, "warmupSteps" | "fallShare">,
): number {
  const warm = Math.min(1, (step + 1) / Math.max(1, warmupSteps));
  return warm * Math.min(1, Math.max(0, 1 - progress) / Math.max(fallShare, Number.EPSILON));
}

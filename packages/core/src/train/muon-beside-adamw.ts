import { adamw, type AdamWSettings, type Schedule } from "./adamw.js";
import { clipByGlobalNorm, clipByOwnNorm } from "./gradient-norm.js";
import { muon, type MuonPieces } from "./muon.js";
import { chain, partition, type Transform } from "./transform.js";

/** The optimizer of the matrices within the blocks of a transformer; everything else is trained with AdamW. */
export type BlockOptimizer = "muon" | "adamw";

/** The settings of {@link blockOptimizer}. */
export interface BlockOptimizerSettings extends AdamWSettings {
  /** The optimizer of the matrices of attention layers and MLPs (default `adamw`). */
  readonly optimizer?: BlockOptimizer | undefined;
  /** The peak learning rate of Muon (default 0.01). */
  readonly muonRate?: number | undefined;
  /** The peak learning rate of AdamW. */
  readonly learningRate: number;
  /** The largest gradient norm of what AdamW trains. */
  readonly clipNorm: number;
}

/**
 * Makes the optimizer of a training: AdamW for all parameters, with the gradients clipped together, or Muon for the matrices of the attention
 * layers and MLPs of every block and AdamW for everything else, whose gradients alone are clipped (`docs/spec.md#lattice-training`).
 * @param factor the schedule that multiplies the learning rates of a step.
 */
export function blockOptimizer(settings: BlockOptimizerSettings, factor: Schedule): Transform {
  const { beta1, beta2, epsilon, weightDecay, muonRate = 0.01 } = settings;
  const rest = adamw((step) => settings.learningRate * factor(step), { beta1, beta2, epsilon, weightDecay });
  if (settings.optimizer !== "muon") return chain({ clip: clipByGlobalNorm(settings.clipNorm), adamw: rest });
  return partition((path) => (isBlockMatrix(path) ? "muon" : "rest"), {
    muon: muon((step) => muonRate * factor(step), { piecesOf: blockPieces }),
    rest: chain({ clip: clipByOwnNorm(settings.clipNorm), adamw: rest }),
  });
}

/** Whether a parameter is a matrix of an attention layer or MLP in a block. */
function isBlockMatrix(path: string): boolean {
  return /(?:^|\.)blocks\..*\.(?:queryKeyValue|query|keyValue|output|expand|contract)\.kernel$/.test(path);
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

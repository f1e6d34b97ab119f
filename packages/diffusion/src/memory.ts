import { hasFused, inferenceMemory, trainingMemory, type MemoryEstimate } from "@coordtok/core/nn";
import { tokensOf, tokenValues, type SiTConfig } from "./config.js";
import { paramShapes } from "./model/params.js";

/** The work whose memory {@link estimateMemory} estimates. */
export interface MemoryWork {
  /** Sampling with the weights alone, or training steps, one after another. */
  readonly task: "sample" | "train";
  /** Number of clips computed together: of a batch of samples, or of a micro-batch. */
  readonly clips: number;
}

const bytesPerNumber = 4;
/** Covers what the formulas below leave out: small tensors, and tensors that live slightly longer than necessary. */
const margin = 1.25;
/** The number of triplanes that a solver holds besides the state: its stages, noise and sums. */
const solverStates = 12;
/**
 * The number of values per token and unit of width alive inside a block: its input, the modulated input, hidden values before and
 * after the GELU, outputs.
 */
const numbersOfBlock = 40;
/** The same for a block without a gradient that is computed by fused operations, which keep no intermediates. */
const numbersOfFusedBlock = 22;
/**
 * The number of values per token and unit of width that the gradient of a block needs: norms, queries, keys and values, hidden
 * values, outputs.
 */
const keptPerToken = 19;

/** Estimates the memory that sampling or training takes, from the configuration alone, before the work starts. */
export function estimateMemory(config: SiTConfig, { task, clips }: MemoryWork): MemoryEstimate {
  const shapes = [...paramShapes(config).values()];
  const weightBytes = bytesPerNumber * shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const numbers = task === "sample" ? sampleNumbers(config, clips) : trainNumbers(config, clips);
  const activationBytes = margin * bytesPerNumber * numbers;
  return task === "sample"
    ? inferenceMemory(weightBytes, activationBytes)
    : trainingMemory(weightBytes, activationBytes);
}

/** The number of values alive at the end of a block. Without fused attention its logits count as well, several times. */
function blockNumbers({ width, heads, ...config }: SiTConfig, clips: number, numbers = numbersOfBlock): number {
  const tokens = tokensOf({ width, heads, ...config });
  const logits = hasFused("CoordTokSelfAttention") ? 0 : 3 * heads * tokens * tokens;
  return clips * (tokens * width * numbers + logits);
}

function planeNumbers(config: SiTConfig, clips: number): number {
  return clips * tokensOf(config) * tokenValues(config).output;
}

function sampleNumbers(config: SiTConfig, clips: number): number {
  const fused = hasFused("CoordTokModulatedNorm");
  const block = blockNumbers(config, clips, fused ? numbersOfFusedBlock : numbersOfBlock);
  return block + solverStates * planeNumbers(config, clips);
}

function trainNumbers(config: SiTConfig, clips: number): number {
  const kept = config.depth * clips * tokensOf(config) * config.width * keptPerToken;
  return kept + 2 * blockNumbers(config, clips) + solverStates * planeNumbers(config, clips);
}

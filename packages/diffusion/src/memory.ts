import { hasFused, inferenceMemory, trainingMemory, type MemoryEstimate } from "@coordtok/core/nn";
import { tokensOf, tokenValues, type SiTConfig } from "./config.js";
import { paramShapes } from "./model/params.js";

/** What is to be computed, for {@link estimateMemory}. */
export interface MemoryWork {
  /** Sampling with the weights alone, or one step of training after the other. */
  readonly task: "sample" | "train";
  /** Clips computed together: of a batch of samples, or of a micro-batch. */
  readonly clips: number;
}

const bytesPerNumber = 4;
/** What the formulas below leave out: small tensors, and those that live a little longer than they must. */
const margin = 1.25;
/** Triplanes that a solver holds besides the state: its stages, noise and sums. */
const solverStates = 12;
/** Numbers per token and unit of width alive inside a block: its input, the modulated one, hidden values before and after the GELU, results. */
const numbersOfBlock = 40;
/** The same where a block without a gradient is made of fused operations, which leave out what lies between. */
const numbersOfFusedBlock = 22;
/** Numbers per token and unit of width that the gradient of a block needs: norms, queries, keys and values, hidden values, results. */
const keptPerToken = 19;

/** Estimates the memory that sampling or training takes, before it starts, from the configuration alone. */
export function estimateMemory(config: SiTConfig, { task, clips }: MemoryWork): MemoryEstimate {
  const shapes = [...paramShapes(config).values()];
  const weightBytes = bytesPerNumber * shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const numbers = task === "sample" ? sampleNumbers(config, clips) : trainNumbers(config, clips);
  const activationBytes = margin * bytesPerNumber * numbers;
  return task === "sample"
    ? inferenceMemory(weightBytes, activationBytes)
    : trainingMemory(weightBytes, activationBytes);
}

/** Numbers alive at the end of a block. Without fused attention its logits are there as well, several times. */
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

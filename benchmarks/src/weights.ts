import { nestTensors, Random } from "@coordtok/core";
import type { Initializer } from "@coordtok/core/nn";
import type { SiTConfig } from "@coordtok/diffusion";
import { paramShapes, type SiTParams } from "@coordtok/diffusion/model";
import { reshape, tensor, type Rank, type ShapeMap, type Tensor } from "@tensorflow/tfjs-core";

/** Draws numbers of mean 0 and variance 1. */
export function noise(count: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => (random.uniform() - 0.5) * Math.sqrt(12));
}

/** This is drawn once and repeated, because drawing the 853 million weights of preset L one by one takes minutes. */
const block: Float32Array = noise(2 ** 20, 3);

/** Creates weights of ordinary size for timing: repeating numbers, and kernels with the variance of a new model's. */
export const repeatingInitializer: Initializer = {
  kernel: (inputs, outputs) => repeated<Rank.R2>([inputs, outputs], Math.sqrt(2 / (inputs + outputs))),
  zeroKernel: (inputs, outputs) => repeated<Rank.R2>([inputs, outputs], 0),
  normal: repeated,
  zeros: (size) => repeated<Rank.R1>([size], 0),
  ones: (size) => repeated<Rank.R1>([size], 0, 1),
};

function repeated<R extends Rank>(shape: ShapeMap[R], deviation: number, mean = 0): Tensor<R> {
  const size = (shape as readonly number[]).reduce((product, dim) => product * dim, 1);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = mean + deviation * block[i & (block.length - 1)]!;
  const made = tensor(values, shape);
  // Weights are uploaded to the memory of the backend, where those of a checkpoint are once it is read.
  const placed = reshape(made, shape);
  made.dispose();
  return placed;
}

/**
 * Creates weights of a SiT for timing, all with standard deviation 0.02, modulations and output maps included, so that no block is
 * the identity.
 */
export function repeatingSiTParams(config: SiTConfig): SiTParams {
  return nestTensors(
    [...paramShapes(config)].map(([path, shape]) => [path, repeated(shape as ShapeMap[Rank], 0.02)]),
  ) as SiTParams;
}

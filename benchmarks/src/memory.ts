import { clipFromRgb, disposeTree, meanSquaredErrorSum, Random, type RgbClip } from "@coordtok/core";
import { lossAndGradients } from "@coordtok/core/train";
import {
  createParams,
  decodePatches,
  encode,
  latticeOf,
  overrideConfig,
  preset,
  type TokenizerConfig,
  type TokenizerParams,
} from "@coordtok/tokenizer";
import { lossBatch, patchTargets, randomCells, tokenizerLoss } from "@coordtok/tokenizer/train";
import type { PatchSlice } from "@coordtok/triplane";
import { addN, profile, tensor3d, tidy, type Scalar } from "@tensorflow/tfjs-core";

/** The peak memory of one training step. */
export interface MemoryRow {
  readonly task: "train-step-memory";
  readonly preset: string;
  readonly frames: number;
  /** Patches decoded in the step: a fixed number, or all of the clip in slices of that number. */
  readonly decoded: "sampled" | "every patch";
  readonly patches: number;
  /** Largest sum of bytes of live tensors, parameters and clip included. */
  readonly peakBytes: number;
  readonly seconds: number;
}

/** Options of {@link memoryRows}. */
export interface MemoryOptions {
  readonly preset: string;
  readonly frames: readonly number[];
  /** N, patches decoded together. */
  readonly points: number;
}

/**
 * Peak tensor bytes of the loss and gradients of one step for clips of several lengths: N sampled patches, and beside it every patch of the clip in
 * slices of N. The encoder reads the whole clip in both.
 */
export async function* memoryRows({ preset: name, frames, points }: MemoryOptions): AsyncGenerator<MemoryRow> {
  for (const count of frames) {
    const config = overrideConfig(preset(name), [`clip.frames=${count}`]);
    const clip = noiseClip(config);
    for (const decoded of ["sampled", "every patch"] as const) {
      const params = createParams(config, 0);
      const started = performance.now();
      const step = decoded === "sampled" ? sampledStep : everyPatchStep;
      const { peakBytes } = await profile(() => tidy(() => step(params, config, clip, points)));
      const seconds = (performance.now() - started) / 1000;
      disposeTree(params);
      const patches = decoded === "sampled" ? points : latticeOf(config).count;
      yield { task: "train-step-memory", preset: name, frames: count, decoded, patches, peakBytes, seconds };
    }
  }
}

function noiseClip({ clip }: TokenizerConfig): RgbClip {
  const random = new Random(1);
  const data = Uint8Array.from({ length: clip.frames * clip.height * clip.width * 3 }, () => random.uniform() * 256);
  return { data, frameCount: clip.frames, height: clip.height, width: clip.width };
}

function sampledStep(params: TokenizerParams, config: TokenizerConfig, clip: RgbClip, points: number): Scalar {
  const lattice = latticeOf(config);
  const batch = lossBatch([clip], [randomCells(clip, lattice, points, new Random(2))], lattice);
  return lossAndGradients(params, (leaves) => tokenizerLoss(leaves, config, batch, lattice)).loss;
}

function everyPatchStep(params: TokenizerParams, config: TokenizerConfig, clip: RgbClip, points: number): Scalar {
  const lattice = latticeOf(config);
  const tensors = clipFromRgb([clip]);
  return lossAndGradients(params, (leaves) => {
    const triplane = encode(leaves.encoder, config, tensors);
    const lossOf = (slice: PatchSlice): Scalar => {
      const pixels = decodePatches(leaves.decoder, config, triplane, lattice.points(slice), lattice, slice.indices);
      return meanSquaredErrorSum(pixels, tensor3d(patchTargets(clip, slice.indices, lattice.patch), pixels.shape));
    };
    return addN([...lattice.slices(points)].map(lossOf));
  }).loss;
}

import type { ExpectedShapes } from "@coordtok/core";
import {
  hasFused,
  inferenceMemory,
  maxLogits,
  trainingMemory,
  type MemoryEstimate,
  type PatchSize,
} from "@coordtok/core/nn";
import { planeNames, planeSize } from "@coordtok/triplane";
import { queryGrid, videoTokenCount, type TokenizerConfig } from "./config.js";
import { defaultSliceSize } from "./decode.js";
import { paramShapes } from "./params.js";

/** The work whose memory {@link estimateMemory} estimates. */
export type MemoryWork =
  | {
      /** Clips to triplanes, with the encoder alone. */
      readonly task: "encode";
      /** Number of clips encoded together (default 1). */
      readonly clips?: number | undefined;
    }
  | {
      /** A triplane to frames, with the decoder alone. */
      readonly task: "decode";
      /** Number of clips decoded together (default 1). */
      readonly clips?: number | undefined;
      /** Number of patches decoded together. */
      readonly sliceSize: number;
      /** Number of frames decoded (default: all frames of the model). */
      readonly frames?: number | undefined;
    }
  | {
      /** Triplanes of clips, one after another, improved with the decoder fixed, as `refine` does. */
      readonly task: "refine";
      /** Number of clips; they are refined one after the other (default 1). */
      readonly clips?: number | undefined;
    }
  | {
      /** Training steps, one after another. */
      readonly task: "train";
      /** Number of clips per micro-batch. */
      readonly clips: number;
      /** Number of patches decoded per clip. */
      readonly points: number;
    };

export const bytesPerNumber = 4;
/** Covers what the formulas below leave out: small tensors, and tensors that live slightly longer than necessary. */
export const memoryMargin = 1.25;

/**
 * Estimates the memory that some work takes, from the configuration alone, before the work starts. It follows the layers: what a
 * block holds at its peak, and in training what each keeps for its gradient. The estimate takes the fused operations of the backend
 * in use into account.
 */
export function estimateMemory(config: TokenizerConfig, work: MemoryWork): MemoryEstimate {
  const shapes = paramShapes(config);
  const encoder = bytesOfWeights(shapes, "encoder.");
  const decoder = bytesOfWeights(shapes, "decoder.");
  const clips = work.clips ?? 1;
  if (work.task === "encode")
    return inferenceMemory(encoder, clips * memoryMargin * bytesPerNumber * encodeNumbers(config));
  if (work.task === "decode") {
    const frames = work.frames ?? config.clip.frames;
    return inferenceMemory(
      decoder,
      clips * memoryMargin * bytesPerNumber * decodeNumbers(config, work.sliceSize, frames),
    );
  }
  if (work.task === "refine")
    return inferenceMemory(encoder + decoder, memoryMargin * bytesPerNumber * refineNumbers(config, clips));
  const weights = encoder + decoder;
  const activations = clips * memoryMargin * bytesPerNumber * trainNumbers(config, work.points);
  return trainingMemory(weights, activations);
}

/** The size of the parameters whose path begins with a prefix, in bytes. */
export function bytesOfWeights(shapes: ExpectedShapes, prefix: string): number {
  let numbers = 0;
  for (const [path, shape] of shapes)
    if (path.startsWith(prefix)) numbers += shape.reduce((product, dim) => product * dim, 1);
  return numbers * bytesPerNumber;
}

/**
 * The number of values alive at the end of a block over `rows` tokens that attend to `keys` tokens: its input, norms, queries, keys
 * and values, hidden values and outputs. Composite norms and GELUs keep a few more of each size, and composite attention its
 * logits.
 */
export function blockNumbers(rows: number, keys: number, width: number, heads: number): number {
  const fused = hasFused("CoordTokSelfAttention");
  const logits = fused ? 0 : 3 * Math.min(heads * rows * keys, maxLogits);
  return rows * width * (fused ? 20 : 32) + logits;
}

interface Counts {
  readonly pixels: number;
  readonly videoTokens: number;
  readonly queries: number;
}

function countsOf(config: TokenizerConfig): Counts {
  const { frames, height, width } = config.clip;
  const queries = planeNames
    .map((plane) => queryGrid(config.planes, plane))
    .reduce((sum, [rows, columns]) => sum + rows * columns, 0);
  return { pixels: frames * height * width * 3, videoTokens: videoTokenCount(config), queries };
}

function encodeNumbers(config: TokenizerConfig): number {
  const { width, heads, videoLayers, latentLayers } = config.encoder;
  const { pixels, videoTokens, queries } = countsOf(config);
  const video = blockNumbers(videoTokens + 1, videoTokens + 1, width, heads);
  const latent =
    8 * queries * width + 2 * videoTokens * width + blockNumbers(queries, Math.max(queries, videoTokens), width, heads);
  // The padded clip, also as patches; the outputs of all blocks.
  const results = (videoLayers + 4) * videoTokens * width + latentLayers * queries * width;
  return 4 * pixels + results + Math.max(video, latent);
}

function patchNumbers({ time, space }: PatchSize): number {
  return time * space * space * 3;
}

function decodeNumbers(config: TokenizerConfig, sliceSize: number, frames: number): number {
  const { width, heads, layers, patch } = config.decoder;
  const perFrame = config.clip.height * config.clip.width * 3;
  const whole = frames * perFrame;
  const slice = Math.min(sliceSize, whole / patchNumbers(patch));
  // The decoded patches are kept, concatenated at the end and assembled into frames.
  return whole + Math.max(3 * whole, (layers + 4) * slice * width + blockNumbers(slice, slice, width, heads));
}

function refineNumbers(config: TokenizerConfig, clips: number): number {
  const { decoder, planes } = config;
  const { width, heads, layers, patch } = decoder;
  const { pixels } = countsOf(config);
  const points = Math.min(defaultSliceSize, pixels / patchNumbers(patch));
  const decoded = layers * points * 13 * width + 2 * blockNumbers(points, points, width, heads);
  // The clips; of one, its pieces and which of their pixels count; of a piece, both paths, the difference and its gradient.
  const targets = clips * pixels + 4 * pixels + 6 * points * patchNumbers(patch);
  // Planes as given, as refined and the best, their units, moments and gradients.
  const cells = planeNames.reduce((sum, plane) => {
    const [outer, inner] = planeSize(planes, plane);
    return sum + outer * inner;
  }, 0);
  return targets + decoded + (clips + 10) * cells * planes.channels;
}

function trainNumbers(config: TokenizerConfig, points: number): number {
  const { encoder, decoder } = config;
  const { pixels, videoTokens, queries } = countsOf(config);
  // A block keeps its input, its norms, queries, keys and values, the output of attention and the hidden values of the MLP.
  const video = encoder.videoLayers * (videoTokens + 1) * 13 * encoder.width;
  const latent = encoder.latentLayers * (17 * queries + 2 * videoTokens) * encoder.width;
  const decoded = decoder.layers * points * 13 * decoder.width;
  const largest = Math.max(
    blockNumbers(videoTokens + 1, videoTokens + 1, encoder.width, encoder.heads),
    blockNumbers(queries, Math.max(queries, videoTokens), encoder.width, encoder.heads),
    blockNumbers(points, points, decoder.width, decoder.heads),
  );
  return 3 * pixels + 2 * points * patchNumbers(decoder.patch) + video + latent + decoded + 2 * largest;
}

import { inferenceMemory, trainingMemory, type MemoryEstimate } from "@coordtok/core/nn";
import { planeNames, planeSize } from "@coordtok/triplane";
import { blockNumbers, bytesOfWeights, bytesPerNumber, memoryMargin } from "../memory.js";
import { latticeBlock, paddedSize, type FrameSize, type LatticeConfig } from "./config.js";
import { defaultSliceSize } from "../decode.js";
import { coordinateValues } from "./coordinates.js";
import { blockValues, latticeParamShapes } from "./params.js";

/** The work whose memory {@link estimateLatticeMemory} estimates. */
export type LatticeMemoryWork = {
  /**
   * Clips to triplanes with the encoder alone, a triplane to frames with the decoder alone, triplanes improved with the decoder fixed as `refine` does, one
   * clip after another, or training steps, one after another.
   */
  readonly task: "encode" | "decode" | "refine" | "train";
  /** The size of the clips. */
  readonly size: FrameSize;
  /** The number of clips at once (default 1). */
  readonly clips?: number | undefined;
  /** For training, the number of blocks of time that are decoded per clip (default: all). */
  readonly blocks?: number | undefined;
};

/**
 * Estimates the memory that some work of a lattice tokenizer takes, from the configuration and the size of the clips, before the
 * work starts. The estimate takes the fused operations of the backend in use into account.
 */
export function estimateLatticeMemory(config: LatticeConfig, work: LatticeMemoryWork): MemoryEstimate {
  const shapes = latticeParamShapes(config);
  const encoder = bytesOfWeights(shapes, "encoder.");
  const decoder = bytesOfWeights(shapes, "decoder.");
  const counts = countsOf(work.size);
  const scale = (work.clips ?? 1) * memoryMargin * bytesPerNumber;
  if (work.task === "encode") return inferenceMemory(encoder, scale * encodeNumbers(config, counts));
  if (work.task === "decode") return inferenceMemory(decoder, scale * decodeNumbers(config, counts));
  if (work.task === "refine")
    return inferenceMemory(
      encoder + decoder,
      memoryMargin * bytesPerNumber * refineNumbers(config, counts, work.clips ?? 1),
    );
  const weights = encoder + decoder;
  const activations = scale * trainNumbers(config, counts, work.blocks ?? counts.times);
  return trainingMemory(weights, activations, 2 * Math.min(weights, muonBytes));
}

/** Muon computes matrices of one shape together, up to this many bytes of them, with a few intermediate results. */
const muonBytes = 2 ** 24;

interface Counts {
  /** Values of a clip. */
  readonly pixels: number;
  /** Blocks along time. */
  readonly times: number;
  /** Blocks that share the same frames. */
  readonly perTime: number;
  /** All blocks. */
  readonly tokens: number;
  /** Cells of the three planes. */
  readonly cells: number;
}

function countsOf(size: FrameSize): Counts {
  const { frames, height, width } = paddedSize(size);
  const shape = {
    time: frames / latticeBlock.time,
    rows: height / latticeBlock.space,
    columns: width / latticeBlock.space,
  };
  const cells = planeNames.reduce((sum, plane) => {
    const [outer, inner] = planeSize(shape, plane);
    return sum + outer * inner;
  }, 0);
  const perTime = shape.rows * shape.columns;
  return { pixels: frames * height * width * 3, times: shape.time, perTime, tokens: shape.time * perTime, cells };
}

function encodeNumbers({ width, heads, videoLayers, latentLayers }: LatticeConfig, counts: Counts): number {
  const { pixels, tokens, cells } = counts;
  const video = blockNumbers(tokens, tokens, width, heads);
  const latent = 8 * cells * width + 2 * tokens * width + blockNumbers(cells, Math.max(cells, tokens), width, heads);
  // The padded clip, also as patches; coordinates; the outputs of all blocks.
  const results = (videoLayers + 8) * tokens * width + (latentLayers + 5) * cells * width;
  return 3 * pixels + (tokens + cells) * coordinateValues + results + Math.max(video, latent);
}

function decodeNumbers({ width, heads, decoderLayers, channels }: LatticeConfig, counts: Counts): number {
  const { pixels, perTime } = counts;
  const features = perTime * (6 * channels + coordinateValues + 4 * blockValues);
  const blocks = (decoderLayers + 4) * perTime * width + blockNumbers(perTime, perTime, width, heads);
  // The decoded frames are kept and concatenated at the end.
  return pixels + Math.max(2 * pixels, features + blocks);
}

function refineNumbers(
  { width, heads, decoderLayers, channels }: LatticeConfig,
  { pixels, times, perTime, cells }: Counts,
  clips: number,
): number {
  const blocks = Math.min(times, Math.max(1, Math.floor(defaultSliceSize / perTime)));
  const decoded = blocks * perTime;
  const decoder = decoded * ((decoderLayers * 13 + 4) * width + coordinateValues + 9 * channels + 6 * blockValues);
  const largest = blockNumbers(perTime, perTime, width, heads) * blocks;
  // The clips; of one, its pieces and which of their pixels count; its planes as given, as refined and the best, their units, moments and gradients.
  return (clips + 4) * pixels + decoder + 2 * largest + (clips + 10) * cells * channels;
}

function trainNumbers(config: LatticeConfig, counts: Counts, decodedBlocks: number): number {
  const { width, heads, videoLayers, latentLayers, decoderLayers, channels } = config;
  const { pixels, perTime, tokens, cells } = counts;
  const decoded = decodedBlocks * perTime;
  // A block keeps its input, its norms, queries, keys and values, the output of attention and the hidden values of the MLP.
  const video = (videoLayers * 13 + 4) * tokens * width + tokens * coordinateValues;
  const latent = latentLayers * (17 * cells + 2 * tokens) * width;
  // Of the decoded pixels: the targets, both paths, their sum, the difference and its gradient.
  const decoder = decoded * ((decoderLayers * 13 + 4) * width + coordinateValues + 9 * channels + 6 * blockValues);
  const largest = Math.max(
    blockNumbers(tokens, tokens, width, heads),
    blockNumbers(cells, Math.max(cells, tokens), width, heads),
    blockNumbers(perTime, perTime, width, heads) * decodedBlocks,
  );
  // The clip, its patches, and what its views are made from.
  return 3 * pixels + video + latent + decoder + 2 * largest;
}

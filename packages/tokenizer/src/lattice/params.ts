import { Random, treeEntries } from "@coordtok/core";
import {
  createLayerNorm,
  createLinear,
  createMemoryBlock,
  createTransformerBlock,
  randomInitializer,
  shapeInitializer,
  type Initializer,
  type LayerNormParams,
  type LinearParams,
  type MemoryBlockParams,
  type TransformerBlockParams,
} from "@coordtok/core/nn";
import { perPlane, type PerPlane } from "@coordtok/triplane";
import { latticeBlock, type LatticeConfig } from "./config.js";
import { coordinateValues } from "./coordinates.js";
import { viewValues } from "./views.js";

/** The parameters of the video transformer. */
export type LatticeVideoParams = {
  /** The map from a block of video to a token, `[768, E]`. */
  readonly patch: LinearParams;
  /** The map from coordinates to a position vector, `[192, E]` without bias. */
  readonly positions: LinearParams;
  /** The blocks of the transformer; their query, key and value maps have no bias. */
  readonly blocks: readonly TransformerBlockParams[];
  /** The norm after the last block. */
  readonly norm: LayerNormParams;
};

/** The parameters of the lattice encoder. E is the width, K the channels of the planes. */
export type LatticeEncoderParams = {
  /** The video transformer. */
  readonly video: LatticeVideoParams;
  /** The map from coordinates to the vectors added to the video tokens before the latent transformer reads them, `[192, E]` without bias. */
  readonly memoryPositions: LinearParams;
  /** The map from a cell of a view to a query, `[192 or 96, E]`. */
  readonly queries: PerPlane<LinearParams>;
  /** The map from coordinates to the vectors added to the queries, `[192, E]` without bias. */
  readonly queryPositions: LinearParams;
  /** The linear path from a cell of a view to a cell of its plane, `[192 or 96, K]`. */
  readonly base: PerPlane<LinearParams>;
  /** The blocks of the latent transformer. */
  readonly blocks: readonly MemoryBlockParams[];
  /** The norm after the last block of the latent transformer. */
  readonly norm: LayerNormParams;
  /** The map from a query to the values added to a cell of its plane, `[E, K]`. */
  readonly projections: PerPlane<LinearParams>;
};

/** The parameters of the lattice decoder. */
export type LatticeDecoderParams = {
  /** The map from the features of a block on the three planes to a token, `[3K, E]`. */
  readonly features: LinearParams;
  /** The map from coordinates to the vectors added to the tokens, `[192, E]` without bias. */
  readonly positions: LinearParams;
  /** The blocks of the transformer. */
  readonly blocks: readonly TransformerBlockParams[];
  /** The norm after the last block. */
  readonly norm: LayerNormParams;
  /** The map from a token to pixels, `[E, 768]`. */
  readonly pixels: LinearParams;
  /** The linear path from the features of a block on the planes to its pixels, `[3K, 768]` without bias. */
  readonly skip: LinearParams;
};

/** All parameters of a lattice tokenizer: a tree of tensors. */
export type LatticeParams = {
  /** Clip to triplane. */
  readonly encoder: LatticeEncoderParams;
  /** Triplane to pixels. */
  readonly decoder: LatticeDecoderParams;
};

/** The number of values in one block of video, laid out (t, row, column, rgb). */
export const blockValues: number = latticeBlock.time * latticeBlock.space ** 2 * 3;

/**
 * Creates parameters from a seed: Glorot-uniform maps, zero biases. To train a model, start from the closed-form start of the
 * training entry instead.
 */
export function createLatticeParams(config: LatticeConfig, seed: number): LatticeParams {
  return buildLatticeParams(config, randomInitializer(new Random(seed)));
}

/** The names (paths in the tree) and shapes of all parameters of a lattice tokenizer, in order. */
export function latticeParamShapes(config: LatticeConfig): Map<string, readonly number[]> {
  const entries = treeEntries(buildLatticeParams(config, shapeInitializer));
  return new Map(entries.map(([path, leaf]) => [path, leaf.shape]));
}

function buildLatticeParams(config: LatticeConfig, init: Initializer): LatticeParams {
  return { encoder: encoderParams(config, init), decoder: decoderParams(config, init) };
}

function positions(init: Initializer, width: number): LinearParams {
  return createLinear(init, coordinateValues, width, { bias: false });
}

function encoderParams(config: LatticeConfig, init: Initializer): LatticeEncoderParams {
  const { width, channels, videoLayers, latentLayers } = config;
  return {
    video: {
      patch: createLinear(init, blockValues, width),
      positions: positions(init, width),
      blocks: Array.from({ length: videoLayers }, () => createTransformerBlock(init, width, { bias: false })),
      norm: createLayerNorm(init, width),
    },
    memoryPositions: positions(init, width),
    queries: perPlane((plane) => createLinear(init, viewValues[plane], width)),
    queryPositions: positions(init, width),
    base: perPlane((plane) => createLinear(init, viewValues[plane], channels)),
    blocks: Array.from({ length: latentLayers }, () => createMemoryBlock(init, width)),
    norm: createLayerNorm(init, width),
    projections: perPlane(() => createLinear(init, width, channels)),
  };
}

function decoderParams(config: LatticeConfig, init: Initializer): LatticeDecoderParams {
  const { width, channels, decoderLayers } = config;
  return {
    features: createLinear(init, 3 * channels, width),
    positions: positions(init, width),
    blocks: Array.from({ length: decoderLayers }, () => createTransformerBlock(init, width, { bias: true })),
    norm: createLayerNorm(init, width),
    pixels: createLinear(init, width, blockValues),
    skip: createLinear(init, 3 * channels, blockValues, { bias: false }),
  };
}

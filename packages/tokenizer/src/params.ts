import { Random, treeEntries } from "@coordtok/core";
import {
  createLayerNorm,
  createLinear,
  createMemoryBlock,
  createTransformerBlock,
  type Initializer,
  type LayerNormParams,
  type LinearParams,
  type MemoryBlockParams,
  randomInitializer,
  shapeInitializer,
  type TransformerBlockParams,
} from "@coordtok/core/nn";
import { perPlane, planeSize, type PerPlane, type PlaneName } from "@coordtok/triplane";
import type { Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs-core";
import { queryPatchSize, triplaneShapeOf, videoTokenCount, type TokenizerConfig } from "./config.js";

/** The parameters of the video transformer. E is its width, V the number of video tokens. */
export type VideoTransformerParams = {
  /** The map from a patch to a token, `[time * space * space * 3, E]`. */
  readonly patch: LinearParams;
  /** The learned positions of the video tokens, `[V, E]`. */
  readonly positions: Tensor2D;
  /** The class token, `[E]`. */
  readonly classToken: Tensor1D;
  /** The blocks of the transformer. */
  readonly blocks: readonly TransformerBlockParams[];
  /** The norm after the last block. */
  readonly norm: LayerNormParams;
};

/** The parameters of the encoder. */
export type EncoderParams = {
  /** The video transformer. */
  readonly video: VideoTransformerParams;
  /** The positions added to the video tokens before the latent transformer reads them, `[V, E]`. */
  readonly memoryPositions: Tensor2D;
  /** The learned planes that the queries are cut from. */
  readonly queryPlanes: PerPlane<Tensor3D>;
  /** The map from a query patch to a query, `[cells of the patch * channels, E]`. */
  readonly queries: PerPlane<LinearParams>;
  /** The blocks of the latent transformer. */
  readonly blocks: readonly MemoryBlockParams[];
  /** The norm after the last block of the latent transformer. */
  readonly norm: LayerNormParams;
  /** The map from a token to a query patch, `[E, cells of the patch * channels]`. */
  readonly projections: PerPlane<LinearParams>;
};

/** The parameters of the coordinate decoder. D is its width. */
export type DecoderParams = {
  /** The position table, `[lattice time * rows * columns, D]`. */
  readonly positions: Tensor2D;
  /** The map from features to a token, `[3 * channels, D]`. */
  readonly features: LinearParams;
  /** The blocks of the transformer. */
  readonly blocks: readonly TransformerBlockParams[];
  /** The norm after the last block. */
  readonly norm: LayerNormParams;
  /** The map from a token to pixels, `[D, time * space * space * 3]`. */
  readonly pixels: LinearParams;
};

/** All parameters of a tokenizer: a tree of tensors. */
export type TokenizerParams = {
  /** Clip to triplane. */
  readonly encoder: EncoderParams;
  /** Triplane to pixels. */
  readonly decoder: DecoderParams;
};

/** The initial standard deviation of learned positions and the class token. */
const positionDeviation = 0.02;

/** Creates parameters from a seed: Glorot-uniform maps, normal positions of standard deviation 0.02, standard normal query planes. */
export function createParams(config: TokenizerConfig, seed: number): TokenizerParams {
  return buildParams(config, randomInitializer(new Random(seed)));
}

/** The names (paths in the tree) and shapes of all parameters, in order. */
export function paramShapes(config: TokenizerConfig): Map<string, readonly number[]> {
  return new Map(treeEntries(buildParams(config, shapeInitializer)).map(([path, leaf]) => [path, leaf.shape]));
}

function buildParams(config: TokenizerConfig, init: Initializer): TokenizerParams {
  return { encoder: createEncoderParams(config, init), decoder: createDecoderParams(config, init) };
}

/** Creates the parameters of the encoder alone, drawn from `init`. */
export function createEncoderParams(config: TokenizerConfig, init: Initializer): EncoderParams {
  const { encoder, planes } = config;
  const { width, patch } = encoder;
  const tokens = videoTokenCount(config);
  const queryPatchValues = (plane: PlaneName): number =>
    queryPatchSize(planes, plane).reduce((a, b) => a * b) * planes.channels;
  return {
    video: {
      patch: createLinear(init, patch.time * patch.space ** 2 * 3, width),
      positions: init.normal([tokens, width], positionDeviation),
      classToken: init.normal([width], positionDeviation),
      blocks: Array.from({ length: encoder.videoLayers }, () => createTransformerBlock(init, width, { bias: false })),
      norm: createLayerNorm(init, width),
    },
    memoryPositions: init.normal([tokens, width], positionDeviation),
    queryPlanes: perPlane((plane) => init.normal([...planeSize(triplaneShapeOf(config), plane), planes.channels], 1)),
    queries: perPlane((plane) => createLinear(init, queryPatchValues(plane), width)),
    blocks: Array.from({ length: encoder.latentLayers }, () => createMemoryBlock(init, width)),
    norm: createLayerNorm(init, width),
    projections: perPlane((plane) => createLinear(init, width, queryPatchValues(plane))),
  };
}

/** Creates the parameters of the decoder alone, drawn from `init`. */
export function createDecoderParams({ clip, planes, decoder }: TokenizerConfig, init: Initializer): DecoderParams {
  const { width, patch } = decoder;
  const patches = (clip.frames / patch.time) * (clip.height / patch.space) * (clip.width / patch.space);
  return {
    positions: init.normal([patches, width], positionDeviation),
    features: createLinear(init, 3 * planes.channels, width),
    blocks: Array.from({ length: decoder.layers }, () => createTransformerBlock(init, width, { bias: true })),
    norm: createLayerNorm(init, width),
    pixels: createLinear(init, width, patch.time * patch.space ** 2 * 3),
  };
}

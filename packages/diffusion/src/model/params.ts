import { Random, treeEntries } from "@coordtok/core";
import {
  createLinear,
  createMlp,
  type Initializer,
  type LinearParams,
  type MlpParams,
  randomInitializer,
  type SelfAttentionParams,
  shapeInitializer,
} from "@coordtok/core/nn";
import { perPlane, type PerPlane } from "@coordtok/triplane";
import type { Tensor2D } from "@tensorflow/tfjs-core";
import { timeFeatures } from "./conditioning.js";
import { classRows, timePositionGrid, tokenValues, type SiTConfig } from "../config.js";

/** The parameters that turn time and label into the condition. E is the width. */
export type ConditioningParams = {
  /** The map from the features of a time, `[256, E]`. */
  readonly timeExpand: LinearParams;
  /** The second map of the time, `[E, E]`. */
  readonly timeContract: LinearParams;
  /** The table of classes, `[classes, E]`, with one more row for "no class" when labels are dropped. */
  readonly classes: Tensor2D;
};

/** A block: self-attention and MLP, each behind a norm that the condition shifts and scales, and each gated by the condition. */
export type SiTBlockParams = {
  /** The self-attention. */
  readonly attention: SelfAttentionParams;
  /** The MLP. */
  readonly mlp: MlpParams;
  /** The map from the condition to shift, scale and gate of the attention, then of the MLP, `[E, 6E]`. */
  readonly modulation: LinearParams;
};

/** The parameters that turn the tokens of a plane into its cells. */
export type SiTOutputParams = {
  /** The map from the condition to shift and scale, `[E, 2E]`. */
  readonly modulation: LinearParams;
  /** The map from a token to its cells, `[E, patch * patch * channels]`. */
  readonly cells: LinearParams;
};

/** All parameters of a SiT: a tree of tensors. */
export type SiTParams = {
  /** The map from a patch of a plane to a token, `[patch * patch * channels, E]`. */
  readonly patches: PerPlane<LinearParams>;
  /** The learned positions that the two planes along time share, `[time * space, E]`. */
  readonly timePositions: Tensor2D;
  /** One vector per plane, `[3, E]`. */
  readonly planeTypes: Tensor2D;
  /** The maps of time and label. */
  readonly conditioning: ConditioningParams;
  /** The blocks of the transformer. */
  readonly blocks: readonly SiTBlockParams[];
  /** The maps from tokens to cells. */
  readonly outputs: PerPlane<SiTOutputParams>;
};

/** The initial standard deviation of tables and of the time maps. */
const deviation = 0.02;

/**
 * Creates parameters from a seed: Glorot-uniform maps, normal tables and time maps of standard deviation 0.02, and zeros in all
 * modulations and in the last map of each plane, so that a new model outputs 0 and every block starts as the identity (adaLN-Zero,
 * arXiv 2212.09748, section 3.2).
 */
export function createParams(config: SiTConfig, seed: number): SiTParams {
  return buildParams(config, randomInitializer(new Random(seed)));
}

/** The names (paths in the tree) and shapes of all parameters, in order. */
export function paramShapes(config: SiTConfig): Map<string, readonly number[]> {
  return new Map(treeEntries(buildParams(config, shapeInitializer)).map(([path, leaf]) => [path, leaf.shape]));
}

function buildParams(config: SiTConfig, init: Initializer): SiTParams {
  const { width, depth, mlpRatio } = config;
  const { input, output } = tokenValues(config);
  const [time, space] = timePositionGrid(config);
  const zeroLinear = (inputs: number, outputs: number): LinearParams => ({
    kernel: init.zeroKernel(inputs, outputs),
    bias: init.zeros(outputs),
  });
  const timeLinear = (inputs: number): LinearParams => ({
    kernel: init.normal([inputs, width], deviation),
    bias: init.zeros(width),
  });
  return {
    patches: perPlane(() => createLinear(init, input, width)),
    timePositions: init.normal([time * space, width], deviation),
    planeTypes: init.normal([3, width], deviation),
    conditioning: {
      timeExpand: timeLinear(timeFeatures),
      timeContract: timeLinear(width),
      classes: init.normal([classRows(config), width], deviation),
    },
    blocks: Array.from({ length: depth }, () => ({
      attention: {
        queryKeyValue: createLinear(init, width, 3 * width),
        output: createLinear(init, width, width),
      },
      mlp: createMlp(init, width, mlpRatio),
      modulation: zeroLinear(width, 6 * width),
    })),
    outputs: perPlane(() => ({ modulation: zeroLinear(width, 2 * width), cells: zeroLinear(width, output) })),
  };
}

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

/** What turns time and label into the condition. E is the width. */
export type ConditioningParams = {
  /** `[256, E]` */
  readonly timeExpand: LinearParams;
  /** `[E, E]` */
  readonly timeContract: LinearParams;
  /** `[classes, E]`, and one row more for "no class" where labels are dropped. */
  readonly classes: Tensor2D;
};

/** A block: self-attention and MLP, both behind norms that the condition shifts and scales, and gated by it. */
export type SiTBlockParams = {
  /** The self-attention. */
  readonly attention: SelfAttentionParams;
  /** The MLP. */
  readonly mlp: MlpParams;
  /** `[E, 6E]`: shift, scale and gate of the attention, then of the MLP. */
  readonly modulation: LinearParams;
};

/** What turns the tokens of a plane into its cells. */
export type SiTOutputParams = {
  /** `[E, 2E]`: shift and scale. */
  readonly modulation: LinearParams;
  /** `[E, patch * patch * channels]` */
  readonly cells: LinearParams;
};

/** All parameters of a SiT: a tree of tensors. */
export type SiTParams = {
  /** A patch of a plane to a token, `[patch * patch * channels, E]`. */
  readonly patches: PerPlane<LinearParams>;
  /** `[time * space, E]`, learned positions that the two planes along time share. */
  readonly timePositions: Tensor2D;
  /** `[3, E]`, one vector per plane. */
  readonly planeTypes: Tensor2D;
  /** Time and label. */
  readonly conditioning: ConditioningParams;
  /** The blocks of the transformer. */
  readonly blocks: readonly SiTBlockParams[];
  /** Tokens to cells. */
  readonly outputs: PerPlane<SiTOutputParams>;
};

/** Standard deviation of tables and of the time maps at the start. */
const deviation = 0.02;

/**
 * Fresh parameters: Glorot-uniform maps, tables and time maps normal with deviation 0.02, and zeros in all modulations and in the last
 * map of each plane, so that a fresh model gives 0 and every block begins as the identity (adaLN-Zero, arXiv 2212.09748, section 3.2).
 */
export function createParams(config: SiTConfig, seed: number): SiTParams {
  return buildParams(config, randomInitializer(new Random(seed)));
}

/** The names (paths in the tree) and shapes of all parameters, in their order. */
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

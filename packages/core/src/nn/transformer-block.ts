import { add, tidy, type Tensor3D } from "@tensorflow/tfjs-core";
import { crossAttention, selfAttention, type KeyBias } from "./attention.js";
import { fusedMemoryAttention, fusedTransformerBlock, hasFusedBlocks } from "./fused/transformer-block.js";
import type { Initializer } from "./init.js";
import { createLayerNorm, layerNorm, type LayerNormParams } from "./layer-norm.js";
import { createLinear, linear, type LinearParams } from "./linear.js";
import { createMlp, mlp, type MlpParams } from "./mlp.js";
import { checkOptions, type OptionNames } from "../options.js";

/** The parameters of self-attention of width E. */
export type SelfAttentionParams = {
  /** `[E, 3E]`: queries, keys, values. */
  readonly queryKeyValue: LinearParams;
  /** `[E, E]` */
  readonly output: LinearParams;
};

/** The parameters of cross-attention of width E. */
export type CrossAttentionParams = {
  /** `[E, E]` */
  readonly query: LinearParams;
  /** `[E, 2E]`: keys, values. */
  readonly keyValue: LinearParams;
  /** `[E, E]` */
  readonly output: LinearParams;
};

/** The parameters of a pre-norm transformer block: self-attention, then an MLP. */
export type TransformerBlockParams = {
  /** Before the self-attention. */
  readonly attentionNorm: LayerNormParams;
  /** The self-attention. */
  readonly attention: SelfAttentionParams;
  /** Before the MLP. */
  readonly mlpNorm: LayerNormParams;
  /** The MLP. */
  readonly mlp: MlpParams;
};

/** The parameters of a pre-norm block that reads a memory: cross-attention, then self-attention, then an MLP. */
export type MemoryBlockParams = {
  /** The norm before the cross-attention; the memory is not normalised. */
  readonly memoryNorm: LayerNormParams;
  /** The cross-attention to the memory. */
  readonly memoryAttention: CrossAttentionParams;
  /** Before the self-attention. */
  readonly attentionNorm: LayerNormParams;
  /** The self-attention. */
  readonly attention: SelfAttentionParams;
  /** Before the MLP. */
  readonly mlpNorm: LayerNormParams;
  /** The MLP. */
  readonly mlp: MlpParams;
};

/** Options of {@link transformerBlock} and {@link memoryBlock}. */
export interface BlockOptions {
  /** The number of attention heads, which divides the width. */
  readonly heads: number;
  /** The epsilon of every layer norm in the block. */
  readonly epsilon: number;
  /** Added to the logits of the keys: of the sequence itself in a transformer block, of the memory in a memory block. */
  readonly keyBias?: KeyBias | undefined;
}

const blockOptionNames: OptionNames<BlockOptions> = { heads: true, epsilon: true, keyBias: true };

/** Creates a transformer block; `bias` tells whether the query, key and value maps have a bias (all other maps have one). */
export function createTransformerBlock(
  init: Initializer,
  width: number,
  options: { readonly bias: boolean },
): TransformerBlockParams {
  checkOptions(options, { bias: true } satisfies OptionNames<typeof options>, "createTransformerBlock");
  const { bias } = options;
  return {
    attentionNorm: createLayerNorm(init, width),
    attention: {
      queryKeyValue: createLinear(init, width, 3 * width, { bias }),
      output: createLinear(init, width, width),
    },
    mlpNorm: createLayerNorm(init, width),
    mlp: createMlp(init, width),
  };
}

/** Creates a memory block whose attentions have no biases. */
export function createMemoryBlock(init: Initializer, width: number): MemoryBlockParams {
  return {
    memoryNorm: createLayerNorm(init, width),
    memoryAttention: {
      query: createLinear(init, width, width, { bias: false }),
      keyValue: createLinear(init, width, 2 * width, { bias: false }),
      output: createLinear(init, width, width, { bias: false }),
    },
    attentionNorm: createLayerNorm(init, width),
    attention: {
      queryKeyValue: createLinear(init, width, 3 * width, { bias: false }),
      output: createLinear(init, width, width, { bias: false }),
    },
    mlpNorm: createLayerNorm(init, width),
    mlp: createMlp(init, width),
  };
}

/** Applies a transformer block to `x [B, N, E]`: `x += attention(norm(x))`, then `x += mlp(norm(x))`. */
export function transformerBlock(params: TransformerBlockParams, x: Tensor3D, options: BlockOptions): Tensor3D {
  checkOptions(options, blockOptionNames, "transformerBlock");
  if (hasFusedBlocks()) return fusedTransformerBlock(params, x, options);
  return tidy(() => {
    const attended = add<Tensor3D>(x, attend(params.attention, norm(params.attentionNorm, x, options), options));
    return add(attended, mlp(params.mlp, norm(params.mlpNorm, attended, options)));
  });
}

/** Applies a memory block to `x [B, N, E]` and `memory [B, M, E]`: `x += cross(norm(x), memory)`, then as {@link transformerBlock}. */
export function memoryBlock(params: MemoryBlockParams, x: Tensor3D, memory: Tensor3D, options: BlockOptions): Tensor3D {
  checkOptions(options, blockOptionNames, "memoryBlock");
  return tidy(() => {
    const informed = addFromMemory(params, x, memory, options);
    // The key bias belongs to the memory.
    return transformerBlock(params, informed, { ...options, keyBias: undefined });
  });
}

/** `x + cross(norm(x), memory)` */
function addFromMemory(params: MemoryBlockParams, x: Tensor3D, memory: Tensor3D, options: BlockOptions): Tensor3D {
  if (hasFusedBlocks()) return fusedMemoryAttention(params, x, memory, options);
  return add(x, attendMemory(params.memoryAttention, norm(params.memoryNorm, x, options), memory, options));
}

function attend({ queryKeyValue, output }: SelfAttentionParams, x: Tensor3D, options: BlockOptions): Tensor3D {
  return linear(output, selfAttention(linear(queryKeyValue, x), options.heads, options.keyBias));
}

function attendMemory(
  { query, keyValue, output }: CrossAttentionParams,
  x: Tensor3D,
  memory: Tensor3D,
  { heads, keyBias }: BlockOptions,
): Tensor3D {
  return linear(output, crossAttention(linear(query, x), linear(keyValue, memory), heads, keyBias));
}

function norm(params: LayerNormParams, x: Tensor3D, { epsilon }: BlockOptions): Tensor3D {
  return layerNorm(params, x, epsilon);
}

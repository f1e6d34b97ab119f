import { addTable, layerNorm, linear, patchify, transformerBlock, type KeyBias } from "@coordtok/core/nn";
import { concat, reshape, slice, tile, type Tensor3D, type Tensor5D } from "@tensorflow/tfjs-core";
import type { EncoderConfig } from "./config.js";
import type { VideoTransformerParams } from "./params.js";

/** The epsilon of every layer norm in the video transformer (`docs/spec.md#layer-norm`). */
const epsilon = 1e-5;

/**
 * Encodes frames to video tokens: patches, positions, a class token in front, blocks, norm; the class token is dropped at the end.
 * @param frames `[B, T, H, W, 3]`, padded to the model's length.
 * @param keyBias `[B, 1 + V]`, added to the attention logits; absent when nothing is masked.
 * @returns `[B, V, E]`
 */
export function encodeVideo(
  params: VideoTransformerParams,
  config: EncoderConfig,
  frames: Tensor5D,
  keyBias: KeyBias | undefined,
): Tensor3D {
  const patches = linear(params.patch, patchify(frames, config.patch), { inputGradient: false });
  const [clips, tokens, width] = patches.shape;
  const classToken: Tensor3D = tile(reshape(params.classToken, [1, 1, width]), [clips, 1, 1]);
  let x: Tensor3D = concat([classToken, addTable(patches, params.positions)], 1);
  for (const block of params.blocks) x = transformerBlock(block, x, { heads: config.heads, epsilon, keyBias });
  return slice(layerNorm(params.norm, x, epsilon), [0, 1, 0], [clips, tokens, width]);
}

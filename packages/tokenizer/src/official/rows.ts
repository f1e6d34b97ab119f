import {
  convolutionRules,
  linearRules,
  stateDictRows,
  stateDictShapes,
  type StateDictRow,
  type StateDictRule,
} from "@coordtok/core/state-dict";
import { planeNames, type PlaneName } from "@coordtok/triplane";
import type { TokenizerConfig } from "../config.js";
import { paramShapes } from "../params.js";

function norm(ours: string, theirs: string): StateDictRule[] {
  return [
    [`${ours}.scale`, `${theirs}.weight`],
    [`${ours}.shift`, `${theirs}.bias`],
  ];
}

function transformerBlock(ours: string, theirs: string): StateDictRule[] {
  return [
    ...norm(`${ours}.attentionNorm`, `${theirs}.norm1`),
    ...linearRules(`${ours}.attention.queryKeyValue`, `${theirs}.attn.qkv`),
    ...linearRules(`${ours}.attention.output`, `${theirs}.attn.proj`),
    ...norm(`${ours}.mlpNorm`, `${theirs}.norm2`),
    ...linearRules(`${ours}.mlp.expand`, `${theirs}.mlp.fc1`),
    ...linearRules(`${ours}.mlp.contract`, `${theirs}.mlp.fc2`),
  ];
}

function perPlane(rules: (plane: PlaneName) => StateDictRule[]): StateDictRule[] {
  return planeNames.flatMap(rules);
}

const latent = "encoder.transformer.layers.{i}";

/** Our parameter names and the official ones, as in the tables of `docs/spec.md#tokenizer-state-dict`. */
const rules: readonly StateDictRule[] = [
  ...convolutionRules("encoder.video.patch", "encoder.encoder.patch_embed.proj"),
  ["encoder.video.positions", "encoder.encoder.pos_emb", "flat"],
  ["encoder.video.classToken", "encoder.encoder.cls_token", "flat"],
  ...transformerBlock("encoder.video.blocks.{i}", "encoder.encoder.layers.{i}"),
  ...norm("encoder.video.norm", "encoder.encoder.norm"),
  ["encoder.memoryPositions", "encoder.cross_pos_emb", "flat"],
  ...perPlane((plane) => [
    [`encoder.queryPlanes.${plane}`, `weight_tokens_${plane}`, "flat"],
    ...convolutionRules(`encoder.queries.${plane}`, `encoder.patch_embeds_${plane}.proj`),
    ...linearRules(`encoder.projections.${plane}`, `encoder.projectors_${plane}`),
  ]),
  ...norm("encoder.blocks.{i}.memoryNorm", `${latent}.norm1`),
  // The official cross-attention keeps query, key and value in one tensor.
  ["encoder.blocks.{i}.memoryAttention.query.kernel", `${latent}.cross_attn.in_proj_weight`, "transpose", 0],
  ["encoder.blocks.{i}.memoryAttention.keyValue.kernel", `${latent}.cross_attn.in_proj_weight`, "transpose", 1],
  ["encoder.blocks.{i}.memoryAttention.output.kernel", `${latent}.cross_attn.out_proj.weight`, "transpose"],
  ...norm("encoder.blocks.{i}.attentionNorm", `${latent}.norm2`),
  ["encoder.blocks.{i}.attention.queryKeyValue.kernel", `${latent}.self_attn.in_proj_weight`, "transpose"],
  ["encoder.blocks.{i}.attention.output.kernel", `${latent}.self_attn.out_proj.weight`, "transpose"],
  ...norm("encoder.blocks.{i}.mlpNorm", `${latent}.norm3`),
  ...linearRules("encoder.blocks.{i}.mlp.expand", `${latent}.mlp.0`),
  ...linearRules("encoder.blocks.{i}.mlp.contract", `${latent}.mlp.3`),
  ...norm("encoder.norm", "encoder.transformer.norm"),
  ["decoder.positions", "decoder.transformer.pos_embed", "flat"],
  ...linearRules("decoder.features", "decoder.transformer.patch_embed"),
  ...transformerBlock("decoder.blocks.{i}", "decoder.transformer.layers.{i}"),
  ...norm("decoder.norm", "decoder.transformer.norm"),
  ...linearRules("decoder.pixels", "decoder.projector"),
];

/**
 * For each parameter of a configuration, in order, the tensor of an official state dict that holds its values
 * (`docs/spec.md#tokenizer-state-dict`). Official weights are read and written by this table alone.
 */
export function officialRows(config: TokenizerConfig): StateDictRow[] {
  return stateDictRows(rules, paramShapes(config), (theirs, ourShape, layout) => {
    if (layout === "convolution") return convolutionShape(theirs, ourShape[1]!, config);
    if (theirs === "decoder.transformer.pos_embed") return decoderPositionsShape(config);
    return theirs === "encoder.encoder.cls_token" ? [1, 1, ...ourShape] : [1, ...ourShape];
  });
}

function convolutionShape(name: string, outputs: number, { encoder, planes }: TokenizerConfig): readonly number[] {
  if (name.startsWith("encoder.encoder.")) {
    const { time, space } = encoder.patch;
    return [outputs, 3, time, space, space];
  }
  const { time, space } = planes.queryPatch;
  return [outputs, planes.channels, name.includes("_xy") ? space : time, space];
}

function decoderPositionsShape({ clip, decoder }: TokenizerConfig): readonly number[] {
  const { time, space } = decoder.patch;
  return [1, clip.frames / time, clip.height / space, clip.width / space, decoder.width];
}

/** The official names and shapes for a configuration (`docs/spec.md#tokenizer-state-dict`). */
export function officialShapes(config: TokenizerConfig): Map<string, readonly number[]> {
  return stateDictShapes(officialRows(config));
}

import {
  checkStateDict,
  convolutionRules,
  fromStateDict,
  linearRules,
  nestTensors,
  renameStrictly,
  type StateDictLayout,
  type StateDictRule,
  toStateDict,
  treeEntries,
} from "@coordtok/core";
import { planeNames, type PlaneName } from "@coordtok/triplane";
import { concat, dispose, slice, tidy, transpose, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import type { TokenizerConfig } from "./config.js";
import { paramShapes, type TokenizerParams } from "./params.js";

/** The official cross-attention keeps one weight for query, key and value; these suffixes name its two parts. */
const queryPart = ".query";
const keyValuePart = ".key_value";

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

/** The tables of `docs/spec.md#tokenizer-state-dict`, ours against theirs. */
const latent = "encoder.transformer.layers.{i}";
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
  ["encoder.blocks.{i}.memoryAttention.query.kernel", `${latent}.cross_attn.in_proj_weight${queryPart}`, "transpose"],
  [
    "encoder.blocks.{i}.memoryAttention.keyValue.kernel",
    `${latent}.cross_attn.in_proj_weight${keyValuePart}`,
    "transpose",
  ],
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
 * The official shapes by official name, for a configuration (`docs/spec.md#tokenizer-state-dict`). Our names map to them one to one,
 * except that the official cross-attention keeps query, key and value in one tensor.
 */
export function officialShapes(config: TokenizerConfig): Map<string, readonly number[]> {
  const shapes = paramShapes(config);
  const renamed = renameStrictly(rules, shapes.keys(), "theirs");
  const official = new Map<string, readonly number[]>();
  for (const [ours, shape] of shapes) {
    const { name, layout } = renamed.get(ours)!;
    if (name.endsWith(keyValuePart)) continue;
    if (name.endsWith(queryPart)) official.set(name.slice(0, -queryPart.length), [3 * shape[1]!, shape[0]!]);
    else official.set(name, officialShape(name, shape, layout, config));
  }
  return official;
}

function officialShape(
  name: string,
  shape: readonly number[],
  layout: StateDictLayout | undefined,
  config: TokenizerConfig,
): readonly number[] {
  const { clip, encoder, planes, decoder } = config;
  if (layout === "transpose") return [shape[1]!, shape[0]!];
  if (name === "decoder.transformer.pos_embed") {
    const { time, space } = decoder.patch;
    return [1, clip.frames / time, clip.height / space, clip.width / space, decoder.width];
  }
  if (name === "encoder.encoder.cls_token") return [1, 1, shape[0]!];
  if (layout === "flat") return [1, ...shape];
  if (layout !== "convolution") return shape;
  const { time, space } = name.startsWith("encoder.encoder.") ? encoder.patch : planes.cell;
  if (name.startsWith("encoder.encoder.")) return [shape[1]!, 3, time, space, space];
  return [shape[1]!, planes.channels, name.includes("_xy") ? space : time, space];
}

/**
 * Parameters from a state dict with the official names.
 * @param tensors exactly the tensors of `officialShapes(config)`; they stay the caller's.
 * @returns our tree, owned by the caller.
 * @throws CoordTokError `checkpoint` for a missing, unexpected or misshapen tensor.
 */
export function paramsFromOfficial(config: TokenizerConfig, tensors: ReadonlyMap<string, Tensor>): TokenizerParams {
  const expected = officialShapes(config);
  checkStateDict(expected, tensors);
  const parts = new Map([...tensors].flatMap(([name, tensor]) => splitCross(name, tensor)));
  const renamed = renameStrictly(rules, parts.keys(), "ours");
  const shapes = paramShapes(config);
  const theirs = new Map(
    [...renamed].map(([name, { name: ours, layout }]) => [ours, { tensor: parts.get(name)!, layout }]),
  );
  const leaves = [...shapes].map(([path, shape]): [string, Tensor] => {
    const { tensor, layout } = theirs.get(path)!;
    return [path, fromStateDict(tensor, layout, shape)];
  });
  dispose([...parts].filter(([name]) => !tensors.has(name)).map(([, tensor]) => tensor));
  return nestTensors(leaves) as TokenizerParams;
}

/**
 * A state dict with the official names from our parameters, the inverse of {@link paramsFromOfficial}.
 * Gradients and optimizer moments have the form of the parameters, so it takes them too.
 * @returns new tensors, owned by the caller.
 */
export function officialFromParams(config: TokenizerConfig, params: TokenizerParams): Map<string, Tensor> {
  const leaves = new Map(treeEntries(params));
  const renamed = renameStrictly(rules, leaves.keys(), "theirs");
  const byName = new Map([...renamed].map(([ours, { name, layout }]) => [name, { tensor: leaves.get(ours)!, layout }]));
  return new Map(
    [...officialShapes(config)].map(([name, shape]) => {
      const query = byName.get(name + queryPart)?.tensor as Tensor2D | undefined;
      if (query !== undefined) {
        const keyValue = byName.get(name + keyValuePart)!.tensor as Tensor2D;
        return [name, tidy(() => transpose(concat([query, keyValue], 1)))];
      }
      const { tensor, layout } = byName.get(name)!;
      return [name, toStateDict(tensor, layout, shape)];
    }),
  );
}

function splitCross(name: string, tensor: Tensor): [string, Tensor][] {
  if (!name.endsWith(".cross_attn.in_proj_weight")) return [[name, tensor]];
  const width = tensor.shape[1]!;
  return [
    [name + queryPart, slice(tensor, [0, 0], [width, width])],
    [name + keyValuePart, slice(tensor, [width, 0], [2 * width, width])],
  ];
}

export { keyValuePart, queryPart, rules as officialRules };

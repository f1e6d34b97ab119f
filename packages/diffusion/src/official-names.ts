import {
  checkStateDict,
  convolutionRules,
  CoordTokError,
  fromStateDict,
  linearRules,
  nestTensors,
  renameStrictly,
  type StateDictRule,
  toStateDict,
  treeEntries,
} from "@coordtok/core";
import { planeNames, type PlaneName } from "@coordtok/triplane";
import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import type { SiTConfig } from "./config.js";
import { checkOfficialPositions, fixedPositions, officialPositions } from "./official-positions.js";
import { paramShapes, type SiTParams } from "./params.js";

function planeRules(plane: PlaneName): StateDictRule[] {
  return [
    ...convolutionRules(`patches.${plane}`, `x_embedder_${plane}.proj`),
    ...linearRules(`outputs.${plane}.modulation`, `final_layer_${plane}.adaLN_modulation.1`),
    ...linearRules(`outputs.${plane}.cells`, `final_layer_${plane}.linear`),
  ];
}

/** The table of `docs/spec.md#sit-state-dict`, ours against theirs. */
const rules: readonly StateDictRule[] = [
  ...planeNames.flatMap(planeRules),
  ["timePositions", "pos_embed_t", "flat"],
  ["planeTypes", "type_embed", "flat"],
  ...linearRules("conditioning.timeExpand", "t_embedder.mlp.0"),
  ...linearRules("conditioning.timeContract", "t_embedder.mlp.2"),
  ["conditioning.classes", "y_embedder.embedding_table.weight"],
  ...linearRules("blocks.{i}.attention.queryKeyValue", "blocks.{i}.attn.qkv"),
  ...linearRules("blocks.{i}.attention.output", "blocks.{i}.attn.proj"),
  ...linearRules("blocks.{i}.mlp.expand", "blocks.{i}.mlp.fc1"),
  ...linearRules("blocks.{i}.mlp.contract", "blocks.{i}.mlp.fc2"),
  ...linearRules("blocks.{i}.modulation", "blocks.{i}.adaLN_modulation.1"),
];

/**
 * The official shapes by official name, for a configuration (`docs/spec.md#sit-state-dict`).
 * @throws CoordTokError `config` when the planes have more rows than columns or fewer, which the published model cannot have.
 */
export function officialShapes(config: SiTConfig): Map<string, readonly number[]> {
  const { planes, patch, width } = config;
  if (planes.x !== planes.y)
    throw new CoordTokError(
      "config",
      `Expected planes with as many rows as columns, as official models have them, got ${planes.x} and ${planes.y}.`,
    );
  const shapes = paramShapes(config);
  const official = new Map<string, readonly number[]>([[fixedPositions, officialPositions(config).shape]]);
  for (const [ours, { name, layout }] of renameStrictly(rules, shapes.keys(), "theirs")) {
    const shape = shapes.get(ours)!;
    if (layout === "transpose") official.set(name, [shape[1]!, shape[0]!]);
    else if (layout === "convolution") official.set(name, [width, planes.channels, patch, patch]);
    else official.set(name, layout === "flat" ? [1, ...shape] : shape);
  }
  return official;
}

/**
 * Parameters from a state dict with the official names.
 * @param tensors exactly the tensors of `officialShapes(config)`; they stay the caller's.
 * @returns our tree, owned by the caller.
 * @throws CoordTokError `checkpoint` for a missing, unexpected or misshapen tensor, or fixed positions that are not the usual ones.
 */
export async function paramsFromOfficial(config: SiTConfig, tensors: ReadonlyMap<string, Tensor>): Promise<SiTParams> {
  checkStateDict(officialShapes(config), tensors);
  checkOfficialPositions(config, await tensors.get(fixedPositions)!.data());
  const names = [...tensors.keys()].filter((name) => name !== fixedPositions);
  const theirs = new Map(
    [...renameStrictly(rules, names, "ours")].map(([name, { name: ours, layout }]) => [
      ours,
      { tensor: tensors.get(name)!, layout },
    ]),
  );
  const leaves = [...paramShapes(config)].map(([path, shape]): [string, Tensor] => {
    const { tensor: found, layout } = theirs.get(path)!;
    return [path, fromStateDict(found, layout, shape)];
  });
  return nestTensors(leaves) as SiTParams;
}

/**
 * A state dict with the official names from our parameters, the inverse of {@link paramsFromOfficial}. Gradients and optimizer moments
 * have the form of the parameters, so it takes them too.
 * @returns new tensors, owned by the caller.
 */
export function officialFromParams(config: SiTConfig, params: SiTParams): Map<string, Tensor> {
  const leaves = new Map(treeEntries(params));
  const renamed = renameStrictly(rules, leaves.keys(), "theirs");
  const byName = new Map([...renamed].map(([ours, { name, layout }]) => [name, { leaf: leaves.get(ours)!, layout }]));
  return new Map(
    [...officialShapes(config)].map(([name, shape]) => {
      if (name === fixedPositions) return [name, tensor(officialPositions(config).values(), [...shape])];
      const { leaf, layout } = byName.get(name)!;
      return [name, toStateDict(leaf, layout, shape)];
    }),
  );
}

export { rules as officialRules };

import {
  convolutionRules,
  linearRules,
  stateDictRows,
  stateDictShapes,
  type StateDictRow,
  type StateDictRule,
} from "@coordtok/core/state-dict";
import { planeNames, type PlaneName } from "@coordtok/triplane";
import type { SiTConfig } from "../config.js";
import { paramShapes } from "../model/params.js";
import { checkSquarePlanes } from "./config.js";
import { officialPositions } from "./positions.js";

function planeRules(plane: PlaneName): StateDictRule[] {
  return [
    ...convolutionRules(`patches.${plane}`, `x_embedder_${plane}.proj`),
    ...linearRules(`outputs.${plane}.modulation`, `final_layer_${plane}.adaLN_modulation.1`),
    ...linearRules(`outputs.${plane}.cells`, `final_layer_${plane}.linear`),
  ];
}

/** Our parameter names and the official ones, as in the table of `docs/spec.md#sit-state-dict`. */
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
 * For each parameter of a configuration, in order, the tensor of an official state dict that holds its values
 * (`docs/spec.md#sit-state-dict`). Official weights are read and written by this table alone; only the tensor of
 * `officialPositions` has no row.
 * @throws CoordTokError `config` unless the planes have as many rows as columns, as the published model requires.
 */
export function officialRows(config: SiTConfig): StateDictRow[] {
  checkSquarePlanes(config);
  const { planes, patch, width } = config;
  return stateDictRows(rules, paramShapes(config), (_, ourShape, layout) =>
    layout === "convolution" ? [width, planes.channels, patch, patch] : [1, ...ourShape],
  );
}

/**
 * The official names and shapes for a configuration (`docs/spec.md#sit-state-dict`).
 * @throws CoordTokError `config` like {@link officialRows}.
 */
export function officialShapes(config: SiTConfig): Map<string, readonly number[]> {
  const rows = officialRows(config);
  const { name, shape } = officialPositions(config);
  return stateDictShapes(rows).set(name, shape);
}

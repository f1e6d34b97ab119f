import { renameStrictly, type TransferRow } from "@coordtok/core";
import type { SiTConfig } from "./config.js";
import { officialRules, officialShapes } from "./official-names.js";
import { paramShapes } from "./params.js";

/**
 * For each parameter of a configuration, in their order, where its numbers are in an official state dict: for converting checkpoints
 * one tensor at a time and without a backend. The one official tensor that has no row is that of `officialPositions`.
 */
export function officialRows(config: SiTConfig): TransferRow[] {
  const shapes = paramShapes(config);
  const theirShapes = officialShapes(config);
  return [...renameStrictly(officialRules, shapes.keys(), "theirs")].map(([ours, { name: theirs, layout }]) => {
    return { ours, ourShape: shapes.get(ours)!, theirs, theirShape: theirShapes.get(theirs)!, layout };
  });
}

/** Whether the names of a state dict are those of a published SiT over triplanes. */
export function isOfficialSiT(names: Iterable<string>): boolean {
  const marks = new Set(["x_embedder_xy.proj.weight", "pos_embed_t", "type_embed"]);
  return [...names].some((name) => marks.has(name));
}

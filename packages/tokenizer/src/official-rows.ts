import { renameStrictly, type TransferRow } from "@coordtok/core";
import type { TokenizerConfig } from "./config.js";
import { keyValuePart, officialRules, officialShapes, queryPart } from "./official-names.js";
import { paramShapes } from "./params.js";

/**
 * For each parameter of a configuration, in their order, where its numbers are in an official state dict: for converting checkpoints
 * one tensor at a time and without a backend. The official cross-attention keeps query, key and value in one tensor, ours two.
 */
export function officialRows(config: TokenizerConfig): TransferRow[] {
  const shapes = paramShapes(config);
  const theirShapes = officialShapes(config);
  return [...renameStrictly(officialRules, shapes.keys(), "theirs")].map(([ours, { name, layout }]) => {
    const part = [queryPart, keyValuePart].find((suffix) => name.endsWith(suffix)) ?? "";
    const theirs = name.slice(0, name.length - part.length);
    const ourShape = shapes.get(ours)!;
    const firstRow = part === keyValuePart ? ourShape[0] : undefined;
    return { ours, ourShape, theirs, theirShape: theirShapes.get(theirs)!, layout, firstRow };
  });
}

import { CoordTokError } from "@coordtok/core";
import { tokenGrid, type SiTConfig } from "../config.js";
import { sinCosPositions } from "../model/position.js";

/** The tensor of fixed positions, a parameter of the published model; our model computes them. */
const fixedPositions = "pos_embed_xy";

/** The largest rounding error of fixed positions stored as float32, half or bfloat16; beyond it they are a different table. */
const fixedTolerance = 5e-3;

/** The fixed positions that the published model stores as a parameter, with their official name. Our model computes them. */
export function officialPositions(config: SiTConfig): {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: () => Float32Array;
} {
  const [outer, inner] = tokenGrid(config, "xy");
  return {
    name: fixedPositions,
    shape: [1, outer * inner, config.width],
    values: () => Float32Array.from(sinCosPositions(outer, inner, config.width)),
  };
}

/**
 * Throws unless stored fixed positions equal the computed ones, up to the rounding of half precision.
 * @throws CoordTokError `checkpoint` when they do not.
 */
export function checkOfficialPositions(config: SiTConfig, stored: ArrayLike<number>): void {
  const [outer, inner] = tokenGrid(config, "xy");
  const expected = sinCosPositions(outer, inner, config.width);
  if (!expected.every((value, i) => Math.abs(stored[i]! - value) <= fixedTolerance))
    throw new CoordTokError(
      "checkpoint",
      `The tensor "${fixedPositions}" is not the fixed table of sines and cosines, so this is a different model; nothing was loaded.`,
    );
}

import { CoordTokError, type Json } from "@coordtok/core";
import {
  checkConfig,
  checkLatticeConfig,
  triplaneShapeOf,
  type AnyTokenizerConfig,
  type Budget,
} from "@coordtok/tokenizer";
import { latticeBlock, type FrameSize } from "@coordtok/tokenizer/lattice";
import type { TriplaneShape } from "@coordtok/triplane";

/** The sizes of a latent dataset: of its clips, and of their planes. */
export interface LatentGeometry {
  /** The frames of every clip. */
  readonly clip: FrameSize;
  /** The planes of every clip. For the lattice form they have as many channels as the budget keeps of any plane. */
  readonly planes: TriplaneShape;
  /** The channels that are kept; absent for the paper's form, which keeps all. */
  readonly budget?: Budget | undefined;
}

/** What the lattice form, which takes clips of any size, records of its geometry among the settings of a dataset. */
type GeometrySetting = "clipFrames" | "clipHeight" | "clipWidth" | "content" | "motion";

/**
 * The geometry of a latent dataset.
 * @param settings those of the dataset; the lattice form has its size and its budget among them.
 * @throws CoordTokError `file-format` when these are missing or impossible.
 */
export function latentGeometry(config: AnyTokenizerConfig, settings: Readonly<Record<string, Json>>): LatentGeometry {
  if (config.form === "paper") return { clip: config.clip, planes: triplaneShapeOf(config) };
  const numberOf = (name: GeometrySetting, unit: number, least: number, most: number): number => {
    const value = settings[name];
    if (typeof value !== "number" || !Number.isInteger(value / unit) || value < least || value > most)
      throw new CoordTokError(
        "file-format",
        `Expected ${name} among the settings of latents of the lattice form, a multiple of ${unit} from ${least} to ${most}, got ${JSON.stringify(value)}.`,
      );
    return value;
  };
  const { time, space } = latticeBlock;
  const clip = {
    frames: numberOf("clipFrames", time, time, 4096),
    height: numberOf("clipHeight", space, space, 4096),
    width: numberOf("clipWidth", space, space, 4096),
  };
  const budget = {
    content: numberOf("content", 1, 0, config.channels),
    motion: numberOf("motion", 1, 0, config.channels),
  };
  return { clip, budget, planes: latticePlanes(clip, budget) };
}

/** The planes that clips of whole blocks have, with the channels that a budget keeps of any plane, at least one. */
export function latticePlanes({ frames, height, width }: FrameSize, { content, motion }: Budget): TriplaneShape {
  const { time, space } = latticeBlock;
  const channels = Math.max(1, content, motion);
  return { time: frames / time, rows: height / space, columns: width / space, channels };
}

/** The configuration of a tokenizer of either form, as latents store it. */
export function checkAnyConfig(stored: unknown): AnyTokenizerConfig {
  const isLattice = typeof stored === "object" && stored !== null && "form" in stored && stored.form === "lattice";
  return isLattice ? checkLatticeConfig(stored) : checkConfig(stored);
}

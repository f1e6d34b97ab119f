import { checkChoice, checkDivides, checkInteger, checkKnownKeys, CoordTokError } from "@coordtok/core";
import { shownJson } from "@coordtok/core/text";
import { formBounds } from "@coordtok/core/checks";

/**
 * The form of a lattice tokenizer. It does not fix a clip size: positions are encoded as waves of the coordinates, so one set of
 * weights handles every length and frame size.
 */
export interface LatticeConfig {
  /** Distinguishes this form from the paper's. */
  readonly form: "lattice";
  /** E, the width of the three transformers. */
  readonly width: number;
  /** Attention heads of the three transformers; must divide the width. */
  readonly heads: number;
  /** Blocks of the video transformer. */
  readonly videoLayers: number;
  /** Blocks of the latent transformer. */
  readonly latentLayers: number;
  /** Blocks of the decoder. */
  readonly decoderLayers: number;
  /** K, the number of values in a cell of a plane. */
  readonly channels: number;
}

const sizes = ["width", "heads", "videoLayers", "latentLayers", "decoderLayers", "channels"] as const;

/** The size of a block of video, in frames and pixels: a video token or a decoded patch, and one cell of the planes along each axis. */
export const latticeBlock = { time: 4, space: 8 } as const;

/**
 * Checks a configuration of the lattice form from any source.
 * @param value plain data, for example parsed JSON.
 * @returns the same data, typed.
 * @throws CoordTokError `config` naming the key that is unknown, missing or out of range.
 */
export function checkLatticeConfig(value: unknown): LatticeConfig {
  const where = "the configuration of a lattice tokenizer";
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new CoordTokError(
      "config",
      `Expected ${where} to be a group of form, ${sizes.join(", ")}, got ${shownJson(value)}.`,
    );
  checkKnownKeys(value, ["form", ...sizes], where);
  const config = value as Record<string, unknown>;
  checkChoice(config["form"], "form", ["lattice"]);
  for (const name of sizes) {
    const isLayers = name.endsWith("Layers");
    checkInteger(config[name], name, isLayers ? 0 : 1, isLayers ? formBounds.layers : formBounds.size);
  }
  const checked = value as LatticeConfig;
  checkDivides(checked.heads, "heads", checked.width, "width");
  return checked;
}

/** The size of clips in frames and pixels. */
export interface FrameSize {
  /** T, frames. */
  readonly frames: number;
  /** H, rows of pixels. */
  readonly height: number;
  /** W, columns of pixels. */
  readonly width: number;
}

/** The size of a clip after padding to whole blocks. */
export function paddedSize({ frames, height, width }: FrameSize): FrameSize {
  const up = (size: number, unit: number): number => Math.ceil(size / unit) * unit;
  const { time, space } = latticeBlock;
  return { frames: up(frames, time), height: up(height, space), width: up(width, space) };
}

import { checkOptions, CoordTokError, type Clip, type OptionNames } from "@coordtok/core";
import { unpatchify } from "@coordtok/core/nn";
import type { Triplane } from "@coordtok/triplane";
import { concat, tidy, zeros, type Tensor3D } from "@tensorflow/tfjs-core";
import { latticeOf, type TokenizerConfig } from "../config.js";
import { decodePatches } from "../coordinate-decoder.js";
import type { DecoderParams } from "../params.js";

/** Options of {@link decodeOfficial}, the arguments of the published whole-clip decoder. */
export interface OfficialDecodeOptions {
  /** The number of frames to decode, from the first (default: all of the model's). Time coordinates are those of the whole clip. */
  readonly frames?: number | undefined;
  /** The number of slices that the patches are cut into (default: `floor(patches / pointsPerSlice)`). */
  readonly slices?: number | undefined;
  /** The number of patches per slice when `slices` is absent (default 1024). */
  readonly pointsPerSlice?: number | undefined;
}

const officialDecodeOptionNames: OptionNames<OfficialDecodeOptions> = {
  frames: true,
  slices: true,
  pointsPerSlice: true,
};

/**
 * Decodes a clip exactly as the published code does (`docs/spec.md#decoding-a-clip`): in slices of `floor(patches / slices)`
 * points, where the remainder is never decoded and stays 0. Use it only for comparisons; `decode` decodes every patch.
 * @returns `[B, frames, H, W, 3]` in model range, owned by the caller.
 */
export function decodeOfficial(
  params: DecoderParams,
  config: TokenizerConfig,
  triplane: Triplane,
  options: OfficialDecodeOptions = {},
): Clip {
  checkOptions(options, officialDecodeOptionNames, "decodeOfficial");
  const lattice = latticeOf(config);
  const { patch } = config.decoder;
  const frames = options.frames ?? config.clip.frames;
  if (frames % patch.time !== 0 || !(frames >= patch.time && frames <= config.clip.frames))
    throw new CoordTokError(
      "input",
      `Expected ${patch.time} to ${config.clip.frames} frames in steps of ${patch.time}, got ${frames}.`,
    );
  const patches = (frames / patch.time) * lattice.rows * lattice.columns;
  const slices = options.slices ?? Math.floor(patches / (options.pointsPerSlice ?? 1024));
  const perSlice = Math.floor(patches / slices);
  if (!(perSlice >= 1))
    throw new CoordTokError("input", `Expected 1 to ${patches} slices for ${patches} patches, got ${slices}.`);
  const { height, width } = config.clip;
  const result = tidy(() => {
    const parts = Array.from({ length: slices }, (_, i): Tensor3D => {
      const slice = lattice.sliceAt(Array.from({ length: perSlice }, (_, j) => i * perSlice + j));
      return decodePatches(params, config, triplane, lattice.points(slice));
    });
    const leftOver = patches - slices * perSlice;
    if (leftOver > 0) parts.push(zeros([triplane.xy.shape[0], leftOver, parts[0]!.shape[2]]));
    return unpatchify(concat(parts, 1), patch, { frames, height, width });
  });
  return { frames: result, validFrames: Array.from({ length: result.shape[0] }, () => frames) };
}

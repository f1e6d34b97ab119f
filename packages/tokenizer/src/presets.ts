import { CoordTokError, suggest } from "@coordtok/core";
import { checkConfig, type TokenizerConfig } from "./config.js";

/** Width, heads, and blocks of the video transformer, the latent transformer and the decoder. */
type Size = readonly [width: number, heads: number, videoLayers: number, latentLayers: number, decoderLayers: number];

/** Frames, height, width; encoder patch; plane rows, columns, time; channels; query patch; decoder patch. Patches: time, space. */
interface Geometry {
  readonly clip: readonly [number, number, number];
  readonly encoderPatch: readonly [number, number];
  readonly planes: readonly [number, number, number];
  readonly channels: number;
  readonly queryPatch: readonly [number, number];
  readonly decoderPatch: readonly [number, number];
}

/** 128 frames of 128x128 in 16*16 + 2*32*16 = 1280 tokens of 8 channels (paper, section 4.1). */
const paper: Geometry = {
  clip: [128, 128, 128],
  encoderPatch: [8, 16],
  planes: [16, 16, 32],
  channels: 8,
  queryPatch: [16, 8],
  decoderPatch: [1, 8],
};

/** 64 frames of 64x64 in 16*16 + 2*32*16 = 1280 tokens. */
const halved: Geometry = {
  clip: [64, 64, 64],
  encoderPatch: [8, 8],
  planes: [16, 16, 32],
  channels: 8,
  queryPatch: [8, 4],
  decoderPatch: [1, 8],
};

/** 16 frames of 32x32 in 8*8 + 2*8*8 = 192 tokens. */
const smallest: Geometry = {
  clip: [16, 32, 32],
  encoderPatch: [4, 8],
  planes: [8, 8, 8],
  channels: 4,
  queryPatch: [4, 4],
  decoderPatch: [1, 8],
};

const rows: { readonly [name: string]: readonly [Size, Geometry] } = {
  L: [[1024, 16, 8, 24, 24], paper],
  B: [[768, 12, 8, 12, 12], paper],
  S: [[512, 8, 8, 8, 8], paper],
  small: [[256, 8, 4, 4, 6], paper],
  tiny: [[128, 4, 2, 2, 4], paper],
  demo: [[64, 4, 1, 1, 3], halved],
  test: [[32, 2, 1, 1, 2], smallest],
};

/** The names of the presets, the largest first. */
export const presetNames: readonly string[] = Object.keys(rows);

/**
 * Returns a configuration by name: `L`, `B` and `S` of the paper, `small` and `tiny` with its geometry, `demo` and `test` with
 * smaller clips.
 * @throws CoordTokError `config` for an unknown name.
 */
export function preset(name: string): TokenizerConfig {
  const row = Object.hasOwn(rows, name) ? rows[name] : undefined;
  if (row === undefined) throw new CoordTokError("config", `Unknown preset "${name}"${suggest(name, presetNames)}`);
  const [[width, heads, videoLayers, latentLayers, layers], geometry] = row;
  const [frames, height, clipWidth] = geometry.clip;
  const [planeRows, columns, time] = geometry.planes;
  const patch = ([patchTime, space]: readonly [number, number]): { time: number; space: number } => ({
    time: patchTime,
    space,
  });
  return checkConfig({
    clip: { frames, height, width: clipWidth },
    encoder: { width, heads, videoLayers, latentLayers, patch: patch(geometry.encoderPatch) },
    planes: { rows: planeRows, columns, time, channels: geometry.channels, queryPatch: patch(geometry.queryPatch) },
    decoder: { width, heads, layers, patch: patch(geometry.decoderPatch) },
    padding: "masked",
    compat: "none",
  });
}

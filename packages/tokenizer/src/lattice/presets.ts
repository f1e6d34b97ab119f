import { CoordTokError, suggest, withOverrides } from "@coordtok/core";
import { checkLatticeConfig, type LatticeConfig } from "./config.js";

/** Width, heads, blocks of the video transformer, the latent transformer and the decoder, channels. */
type Size = readonly [width: number, heads: number, video: number, latent: number, decoder: number, channels: number];

const rows: { readonly [name: string]: Size } = {
  small: [256, 4, 3, 4, 6, 32],
  tiny: [128, 4, 3, 4, 6, 32],
  test: [32, 2, 1, 1, 1, 8],
};

/** The names of the presets of the lattice form, the largest first. */
export const latticePresetNames: readonly string[] = Object.keys(rows);

/**
 * Returns a configuration of the lattice form by name: `small` is that of the starter, `tiny` has half its width, `test` is for
 * tests.
 * @throws CoordTokError `config` for an unknown name.
 */
export function latticePreset(name: string): LatticeConfig {
  const row = Object.hasOwn(rows, name) ? rows[name] : undefined;
  if (row === undefined)
    throw new CoordTokError(
      "config",
      `Unknown preset "${name}" of the lattice form${suggest(name, latticePresetNames)}`,
    );
  const [width, heads, videoLayers, latentLayers, decoderLayers, channels] = row;
  return checkLatticeConfig({ form: "lattice", width, heads, videoLayers, latentLayers, decoderLayers, channels });
}

/**
 * Returns a configuration of the lattice form with single values replaced.
 * @param assignments for example `decoderLayers=4`.
 * @throws CoordTokError `config` for an unknown key or a value that does not fit.
 */
export function overrideLatticeConfig(config: LatticeConfig, assignments: readonly string[]): LatticeConfig {
  return checkLatticeConfig(withOverrides(config, assignments));
}

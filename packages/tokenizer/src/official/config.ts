import { checkInteger, CoordTokError } from "@coordtok/core";
import { checkConfig, type TokenizerConfig } from "../config.js";

/** The arguments of a published model that fix its form, by their official names (`docs/spec.md#tokenizer-arguments`). */
export interface OfficialArguments {
  /** Frames, rows and columns of a clip. */
  readonly video_shape: readonly [number, number, number];
  /** Width of the encoder's transformers. */
  readonly enc_embed_dim: number;
  /** Blocks of the latent transformer. */
  readonly enc_num_layers: number;
  /** Heads of the encoder's transformers. */
  readonly enc_num_heads: number;
  /** Rows and columns of an encoder patch. */
  readonly enc_patch_size_xy: number;
  /** Frames of an encoder patch. */
  readonly enc_patch_size_t: number;
  /** Blocks of the video transformer. */
  readonly enc_patch_num_layers: number;
  /** Cells of the planes along rows and along columns. */
  readonly latent_resolution_xy: number;
  /** Cells of the planes along time. */
  readonly latent_resolution_t: number;
  /** Values per cell. */
  readonly latent_n_features: number;
  /** Cells along space that one query produces. */
  readonly latent_patch_size_xy: number;
  /** Cells along time that one query produces. */
  readonly latent_patch_size_t: number;
  /** Width of the decoder. */
  readonly dec_embed_dim: number;
  /** Blocks of the decoder. */
  readonly dec_num_layers: number;
  /** Heads of the decoder. */
  readonly dec_num_heads: number;
  /** Rows and columns of a decoder patch. */
  readonly dec_patch_size_xy: number;
  /** Frames of a decoder patch. */
  readonly dec_patch_size_t: number;
}

/** Whether plain data, for example parsed JSON, holds official arguments rather than one of our configurations. */
export function isOfficialArguments(value: unknown): value is OfficialArguments {
  return typeof value === "object" && value !== null && "video_shape" in value;
}

/**
 * Converts official arguments to a configuration with official padding and positions.
 * @param official the official arguments; other keys are ignored.
 * @throws CoordTokError `config` for a missing argument or sizes that do not divide.
 */
export function configFromOfficial(official: OfficialArguments): TokenizerConfig {
  const number = (name: Exclude<keyof OfficialArguments, "video_shape">): number =>
    checkInteger(official[name], name, 1);
  const [frames, height, width] = official.video_shape;
  const side = number("latent_resolution_xy");
  return checkConfig({
    clip: { frames, height, width },
    encoder: {
      width: number("enc_embed_dim"),
      heads: number("enc_num_heads"),
      videoLayers: number("enc_patch_num_layers"),
      latentLayers: number("enc_num_layers"),
      patch: { time: number("enc_patch_size_t"), space: number("enc_patch_size_xy") },
    },
    planes: {
      rows: side,
      columns: side,
      time: number("latent_resolution_t"),
      channels: number("latent_n_features"),
      queryPatch: { time: number("latent_patch_size_t"), space: number("latent_patch_size_xy") },
    },
    decoder: {
      width: number("dec_embed_dim"),
      heads: number("dec_num_heads"),
      layers: number("dec_num_layers"),
      patch: { time: number("dec_patch_size_t"), space: number("dec_patch_size_xy") },
    },
    padding: "official",
    compat: "official",
  });
}

/**
 * Converts a configuration to official arguments, the inverse of {@link configFromOfficial}. Padding and positions have no
 * argument.
 * @throws CoordTokError `config` unless the planes have as many rows as columns, as the published model requires.
 */
export function officialFromConfig(config: TokenizerConfig): OfficialArguments {
  const { clip, encoder, planes, decoder } = config;
  if (planes.rows !== planes.columns)
    throw new CoordTokError(
      "config",
      `Expected planes with as many rows as columns, as in the published model, got ${planes.rows} and ${planes.columns}.`,
    );
  return {
    video_shape: [clip.frames, clip.height, clip.width],
    enc_embed_dim: encoder.width,
    enc_num_layers: encoder.latentLayers,
    enc_num_heads: encoder.heads,
    enc_patch_size_xy: encoder.patch.space,
    enc_patch_size_t: encoder.patch.time,
    enc_patch_num_layers: encoder.videoLayers,
    latent_resolution_xy: planes.rows,
    latent_resolution_t: planes.time,
    latent_n_features: planes.channels,
    latent_patch_size_xy: planes.queryPatch.space,
    latent_patch_size_t: planes.queryPatch.time,
    dec_embed_dim: decoder.width,
    dec_num_layers: decoder.layers,
    dec_num_heads: decoder.heads,
    dec_patch_size_xy: decoder.patch.space,
    dec_patch_size_t: decoder.patch.time,
  };
}

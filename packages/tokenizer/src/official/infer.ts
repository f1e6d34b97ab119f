import { checkOptions, CoordTokError, type OptionNames } from "@coordtok/core";
import type { TokenizerPart } from "../checkpoint.js";
import type { TokenizerConfig } from "../config.js";
import { configFromOfficial } from "./config.js";
import { preset, presetNames } from "../presets.js";

/** The options that the shapes of a state dict do not determine. */
export interface InferOptions {
  /** Attention heads of the encoder's transformers (default: those of the published model of this width). */
  readonly encoderHeads?: number | undefined;
  /** Attention heads of the decoder (default: those of the published model of this width). */
  readonly decoderHeads?: number | undefined;
  /** Frames of a decoder patch (default 1, as in the published models). */
  readonly decoderPatchTime?: number | undefined;
}

const inferOptionNames: OptionNames<InferOptions> = { encoderHeads: true, decoderHeads: true, decoderPatchTime: true };

/** Reads the options that shapes do not determine from the arguments that a training script saved beside the weights, by official name. */
export function hintsFromArguments(saved: ReadonlyMap<string, unknown>): InferOptions {
  const number = (name: string): number | undefined => {
    const value = saved.get(name);
    return typeof value === "number" ? value : undefined;
  };
  return { encoderHeads: number("enc_num_heads"), decoderHeads: number("dec_num_heads") };
}

type Shapes = ReadonlyMap<string, readonly number[]>;

/** Whether the names of a state dict are those of a published tokenizer, whole or one half. */
export function isOfficialTokenizer(names: Iterable<string>): boolean {
  const marks = [
    "weight_tokens_xy",
    "encoder.cross_pos_emb",
    "decoder.transformer.pos_embed",
    "decoder.projector.weight",
  ];
  return [...names].some((name) => marks.includes(name));
}

/** Whether a tensor of an official checkpoint belongs to the loss and not to the tokenizer (`docs/spec.md#tokenizer-state-dict`). */
export function isOfficialLoss(name: string): boolean {
  return name.startsWith("decoder.lpips_loss.");
}

/** The half of the tokenizer that an official name belongs to. */
export function partOfOfficialName(name: string): TokenizerPart {
  return name.startsWith("decoder.") ? "decoder" : "encoder";
}

/**
 * Infers the configuration from the shapes of an official state dict.
 * @param shapes of its tensors by official name; other names are ignored.
 * @throws CoordTokError `checkpoint` when the shapes are not those of a tokenizer, `config` when the heads cannot be inferred and
 *   must be given.
 */
export function configFromOfficialShapes(
  shapes: ReadonlyMap<string, readonly number[]>,
  options: InferOptions = {},
): TokenizerConfig {
  checkOptions(options, inferOptionNames, "configFromOfficialShapes");
  const sizes = (name: string, axes: number): readonly number[] => {
    const shape = shapes.get(name);
    if (shape?.length === axes) return shape;
    const problem = shape ? `has ${shape.length} axes instead of ${axes}` : "is missing";
    throw new CoordTokError(
      "checkpoint",
      `Expected the state dict of a CoordTok tokenizer, but its tensor "${name}" ${problem}.`,
    );
  };
  const [, side, , channels] = sizes("weight_tokens_xy", 4) as [number, number, number, number];
  const [encoderWidth, , encoderTime, encoderSpace] = sizes("encoder.encoder.patch_embed.proj.weight", 5) as number[];
  const [, gridTime, gridRows, gridColumns, decoderWidth] = sizes("decoder.transformer.pos_embed", 5) as number[];
  const [, , cellTime, cellSpace] = sizes("encoder.patch_embeds_yt.proj.weight", 4) as number[];
  const patch = decoderPatch(sizes("decoder.projector.weight", 2)[0]!, options.decoderPatchTime ?? 1);
  return configFromOfficial({
    video_shape: [gridTime! * patch.time, gridRows! * patch.space, gridColumns! * patch.space],
    enc_embed_dim: encoderWidth!,
    enc_num_heads: options.encoderHeads ?? headsOfWidth(encoderWidth!, "encoder"),
    enc_num_layers: layersOf(shapes, "encoder.transformer.layers."),
    enc_patch_num_layers: layersOf(shapes, "encoder.encoder.layers."),
    enc_patch_size_xy: encoderSpace!,
    enc_patch_size_t: encoderTime!,
    latent_resolution_xy: side,
    latent_resolution_t: sizes("weight_tokens_yt", 4)[1]!,
    latent_n_features: channels,
    latent_patch_size_xy: cellSpace!,
    latent_patch_size_t: cellTime!,
    dec_embed_dim: decoderWidth!,
    dec_num_heads: options.decoderHeads ?? headsOfWidth(decoderWidth!, "decoder"),
    dec_num_layers: layersOf(shapes, "decoder.transformer.layers."),
    dec_patch_size_xy: patch.space,
    dec_patch_size_t: patch.time,
  });
}

function decoderPatch(values: number, time: number): { time: number; space: number } {
  const space = Math.sqrt(values / (3 * time));
  if (Number.isInteger(space)) return { time, space };
  throw new CoordTokError(
    "checkpoint",
    `Expected the state dict of a CoordTok tokenizer, but the ${values} rows of its tensor "decoder.projector.weight" do not make a square RGB patch over ${time} ${time === 1 ? "frame" : "frames"}.`,
  );
}

function layersOf(shapes: Shapes, prefix: string): number {
  const indices = [...shapes.keys()].flatMap((name) =>
    name.startsWith(prefix) ? [Number(/^\d+/.exec(name.slice(prefix.length))?.[0] ?? -1)] : [],
  );
  return 1 + indices.reduce((most, index) => Math.max(most, index), -1);
}

function headsOfWidth(width: number, part: "encoder" | "decoder"): number {
  const published = presetNames.map((name) => preset(name)[part]).find((found) => found.width === width);
  if (published !== undefined && width >= 512) return published.heads;
  throw new CoordTokError(
    "config",
    `The shapes of the ${part} do not tell how many attention heads it has, and no published model has its width of ${width}; give the number of heads or a configuration.`,
    { options: { [`${part}Heads`]: undefined, config: undefined } },
  );
}

import { checkInteger, checkNumber, CoordTokError } from "@coordtok/core";
import { checkConfig, type SiTConfig } from "./config.js";
import { headsOfWidth } from "./presets.js";

/** The arguments of the published model that fix its form, by their official names (`docs/spec.md#sit-arguments`). */
export interface OfficialArguments {
  /** Cells of the planes along time, and along rows and columns. */
  readonly input_size: readonly [t: number, xy: number];
  /** Cells along each side of a patch. */
  readonly patch_size: number;
  /** Numbers per cell. */
  readonly in_channels: number;
  /** Width of the transformer. */
  readonly hidden_size: number;
  /** Blocks of the transformer. */
  readonly depth: number;
  /** Attention heads. */
  readonly num_heads: number;
  /** Hidden width of the MLPs over the width. */
  readonly mlp_ratio: number;
  /** Share of dropped labels; above 0 the table of classes has one row more. */
  readonly class_dropout_prob: number;
  /** Classes of the labels. */
  readonly num_classes: number;
  /** Whether the output has twice the channels. */
  readonly learn_sigma: boolean;
}

/**
 * The configuration of a published model.
 * @param official the official arguments; others beside them are ignored.
 * @throws CoordTokError `config` for a missing argument or sizes that do not divide.
 */
export function configFromOfficial(official: OfficialArguments): SiTConfig {
  const [t, side] = official.input_size;
  return checkConfig({
    planes: { t, x: side, y: side, channels: checkInteger(official.in_channels, "in_channels", 1) },
    patch: checkInteger(official.patch_size, "patch_size", 1),
    width: checkInteger(official.hidden_size, "hidden_size", 1),
    depth: checkInteger(official.depth, "depth", 1),
    heads: checkInteger(official.num_heads, "num_heads", 1),
    mlpRatio: checkNumber(official.mlp_ratio, "mlp_ratio", 0),
    classes: checkInteger(official.num_classes, "num_classes", 1),
    labelDropout: checkNumber(official.class_dropout_prob, "class_dropout_prob", 0, 1),
    learnSigma: official.learn_sigma,
  });
}

/**
 * The official arguments of a configuration, the inverse of {@link configFromOfficial}.
 * @throws CoordTokError `config` when the planes have not as many rows as columns, which the published model cannot have.
 */
export function officialFromConfig(config: SiTConfig): OfficialArguments {
  const { planes } = config;
  if (planes.x !== planes.y)
    throw new CoordTokError(
      "config",
      `Expected planes with as many rows as columns, as official models have them, got ${planes.x} and ${planes.y}.`,
    );
  return {
    input_size: [planes.t, planes.x],
    patch_size: config.patch,
    in_channels: planes.channels,
    hidden_size: config.width,
    depth: config.depth,
    num_heads: config.heads,
    mlp_ratio: config.mlpRatio,
    class_dropout_prob: config.labelDropout,
    num_classes: config.classes,
    learn_sigma: config.learnSigma,
  };
}

/** What the shapes of a state dict leave open. */
export interface InferOptions {
  /** Attention heads (default: those of the published size of this width). */
  readonly heads?: number | undefined;
  /** Classes of the labels (default: one row of the table is one class; of more rows the last is taken for "no class"). */
  readonly classes?: number | undefined;
}

/**
 * The configuration that fits the shapes of an official state dict.
 * @param shapes of its tensors by official name; names beside those needed are ignored.
 * @throws CoordTokError `checkpoint` when they are not the shapes of a SiT over triplanes, `config` when `heads` has to be given.
 */
export function configFromOfficialShapes(
  shapes: ReadonlyMap<string, readonly number[]>,
  options: InferOptions = {},
): SiTConfig {
  const shape = (name: string, axes: number): readonly number[] => {
    const found = shapes.get(name);
    if (found === undefined) throw notSit(`has no tensor "${name}"`);
    if (found.length !== axes) throw notSit(`has a tensor "${name}" of ${found.length} axes instead of ${axes}`);
    return found;
  };
  const [width, channels, patch] = shape("x_embedder_xy.proj.weight", 4) as [number, number, number];
  const side = Math.sqrt(shape("pos_embed_xy", 3)[1]!);
  const time = shape("pos_embed_t", 3)[1]! / side;
  const outputs = shape("final_layer_xy.linear.weight", 2)[0]! / (patch * patch * channels);
  if (![side, time].every(Number.isInteger) || (outputs !== 1 && outputs !== 2))
    throw notSit("has positions and outputs that do not fit each other");
  const rows = shape("y_embedder.embedding_table.weight", 2)[0]!;
  const classes = options.classes ?? Math.max(1, rows - 1);
  if (rows !== classes && rows !== classes + 1)
    throw notSit(`has a table of ${rows} rows, which does not fit ${classes} classes`);
  return checkConfig({
    planes: { t: time * patch, x: side * patch, y: side * patch, channels },
    patch,
    width,
    depth: [...shapes.keys()].filter((name) => /^blocks\.\d+\.attn\.qkv\.weight$/.test(name)).length,
    heads: options.heads ?? headsOfWidth(width),
    mlpRatio: shape("blocks.0.mlp.fc1.weight", 2)[0]! / width,
    classes,
    labelDropout: rows > classes ? 0.1 : 0,
    learnSigma: outputs === 2,
  });
}

function notSit(problem: string): CoordTokError {
  return new CoordTokError("checkpoint", `Expected the state dict of a SiT over triplanes, but it ${problem}.`);
}

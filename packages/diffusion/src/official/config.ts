import { checkInteger, checkNumber, CoordTokError } from "@coordtok/core";
import { checkConfig, type SiTConfig } from "../config.js";

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

/** Whether plain data, for example parsed JSON, are official arguments rather than one of our configurations. */
export function isOfficialArguments(value: unknown): value is OfficialArguments {
  return typeof value === "object" && value !== null && "input_size" in value;
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
  checkSquarePlanes(config);
  const { planes } = config;
  return {
    input_size: [planes.time, planes.rows],
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

/** Throws `config` when the planes have not as many rows as columns, which the published model cannot have. */
export function checkSquarePlanes({ planes }: SiTConfig): void {
  if (planes.rows !== planes.columns)
    throw new CoordTokError(
      "config",
      `Expected planes with as many rows as columns, as official models have them, got ${planes.rows} and ${planes.columns}.`,
    );
}

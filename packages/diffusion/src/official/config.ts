import { checkInteger, checkNumber, CoordTokError } from "@coordtok/core";
import { checkConfig, type SiTConfig } from "../config.js";

/** The arguments of a published model that fix its form, by their official names (`docs/spec.md#sit-arguments`). */
export interface OfficialArguments {
  /** Cells of the planes along time, and along rows and columns. */
  readonly input_size: readonly [t: number, xy: number];
  /** Side of a patch in cells. */
  readonly patch_size: number;
  /** Values per cell. */
  readonly in_channels: number;
  /** Width of the transformer. */
  readonly hidden_size: number;
  /** Blocks of the transformer. */
  readonly depth: number;
  /** Attention heads. */
  readonly num_heads: number;
  /** Ratio of the MLPs' hidden width to the width. */
  readonly mlp_ratio: number;
  /** Share of dropped labels; when it is above 0, the table of classes has one more row. */
  readonly class_dropout_prob: number;
  /** Number of classes. */
  readonly num_classes: number;
  /** Whether the output has twice the channels. */
  readonly learn_sigma: boolean;
}

/** Whether plain data, for example parsed JSON, holds official arguments rather than one of our configurations. */
export function isOfficialArguments(value: unknown): value is OfficialArguments {
  return typeof value === "object" && value !== null && "input_size" in value;
}

/**
 * Converts official arguments to a configuration.
 * @param official the official arguments; other keys are ignored.
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
 * Converts a configuration to official arguments, the inverse of {@link configFromOfficial}.
 * @throws CoordTokError `config` unless the planes have as many rows as columns, as the published model requires.
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

/** Throws `config` unless the planes have as many rows as columns, as the published model requires. */
export function checkSquarePlanes({ planes }: SiTConfig): void {
  if (planes.rows !== planes.columns)
    throw new CoordTokError(
      "config",
      `Expected planes with as many rows as columns, as in the published model, got ${planes.rows} and ${planes.columns}.`,
    );
}

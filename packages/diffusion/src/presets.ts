import { checkOptions, CoordTokError, suggest, type OptionNames } from "@coordtok/core";
import type { TriplaneShape } from "@coordtok/triplane";
import { checkConfig, type SiTConfig } from "./config.js";

/** Width, depth and heads. S to XL are those of SiT (arXiv 2401.08740, table 1); `tiny` and `test` are for small data and for tests. */
const sizes: { readonly [name: string]: readonly [width: number, depth: number, heads: number] } = {
  XL: [1152, 28, 16],
  L: [1024, 24, 16],
  B: [768, 12, 12],
  S: [384, 12, 6],
  tiny: [192, 6, 3],
  test: [32, 2, 2],
};

const patches: readonly number[] = [2, 4, 8];

/** The triplanes of the paper's tokenizers: 16x16 and twice 32x16 cells of 8 channels. */
const paperPlanes: TriplaneShape = { time: 32, rows: 16, columns: 16, channels: 8 };

/** The sizes of published models; the other sizes are our own and must not be guessed for an official checkpoint. */
const publishedSizes: readonly string[] = ["XL", "L", "B", "S"];

/** The names of the presets, the largest first: every size with every patch size, for example `L/2`. */
export const presetNames: readonly string[] = Object.keys(sizes).flatMap((size) =>
  patches.map((patch) => `${size}/${patch}`),
);

/**
 * Returns the number of heads of the published size with this width.
 * @throws CoordTokError `config` when no published size has it.
 */
export function headsOfWidth(width: number): number {
  const size = publishedSizes.map((name) => sizes[name]!).find(([ofSize]) => ofSize === width);
  if (size === undefined)
    throw new CoordTokError(
      "config",
      `No published SiT has the width ${width}; give the number of attention heads or the configuration of the model.`,
      { options: { heads: undefined, config: undefined } },
    );
  return size[2];
}

/** Options of {@link preset}. */
export interface PresetOptions {
  /** The triplanes that the model is made for (default: those of the paper, 32 x 16 x 16 cells of 8 channels). */
  readonly planes?: TriplaneShape | undefined;
  /** Number of classes (default 1, no labels). */
  readonly classes?: number | undefined;
  /** Share of the labels dropped in training (default: 0.1 with more than one class, otherwise 0). */
  readonly labelDropout?: number | undefined;
}

const presetOptionNames: OptionNames<PresetOptions> = { planes: true, classes: true, labelDropout: true };

/**
 * Returns a configuration by name, `size/patch`: sizes `S`, `B`, `L`, `XL` of SiT, `tiny` and `test`; patch sizes 2, 4, 8.
 * @throws CoordTokError `config` for an unknown name, or planes that the patch size does not divide.
 */
export function preset(name: string, options: PresetOptions = {}): SiTConfig {
  checkOptions(options, presetOptionNames, "preset");
  if (!presetNames.includes(name))
    throw new CoordTokError("config", `Unknown preset "${name}"${suggest(name, presetNames)}`);
  const [size, patch] = name.split("/") as [string, string];
  const [width, depth, heads] = sizes[size]!;
  const { planes = paperPlanes, classes = 1 } = options;
  return checkConfig({
    planes,
    patch: Number(patch),
    width,
    depth,
    heads,
    mlpRatio: 4,
    classes,
    labelDropout: options.labelDropout ?? (classes > 1 ? 0.1 : 0),
    learnSigma: false,
  });
}

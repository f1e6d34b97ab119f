import { checkDivides, checkInteger, checkGroup, checkNumber, CoordTokError, withOverrides } from "@coordtok/core";
import { shownJson } from "@coordtok/core/text";
import { formBounds } from "@coordtok/core/checks";
import { axes, planeNames, planeSize, type PlaneName, type TriplaneShape } from "@coordtok/triplane";

/** Everything that fixes the form of a SiT over triplanes. It is plain data; `preset` gives examples. */
export interface SiTConfig {
  /** The triplanes that the model is made for; the patch size must divide time, rows and columns. */
  readonly planes: TriplaneShape;
  /** Side of the square of cells of a plane that becomes one token. */
  readonly patch: number;
  /** Width of the transformer, a multiple of 4. */
  readonly width: number;
  /** Blocks of the transformer. */
  readonly depth: number;
  /** Attention heads; must divide the width. */
  readonly heads: number;
  /** Ratio of the MLPs' hidden width to the width, for example 4. */
  readonly mlpRatio: number;
  /** Number of classes; 1 for data without labels. */
  readonly classes: number;
  /** Share of the labels that training replaces by "no class", 0 to 1; guidance needs more than 0. */
  readonly labelDropout: number;
  /** Whether the output has twice the channels, whose second half is discarded, as in official checkpoints. */
  readonly learnSigma: boolean;
}

const keys: readonly string[] = [
  "planes",
  "patch",
  "width",
  "depth",
  "heads",
  "mlpRatio",
  "classes",
  "labelDropout",
  "learnSigma",
];

const planesKeys: readonly string[] = [...axes, "channels"];

/** Keys of `planes` whose names have changed since earlier versions. */
const renamedPlanesKeys = { t: "time", x: "rows", y: "columns" };

/**
 * Checks a configuration from any source.
 * @param value plain data, for example parsed JSON.
 * @returns the same data, typed; keys stored under an earlier name are renamed.
 * @throws CoordTokError `config` naming the key that is unknown, missing or out of range, or the two numbers that do not divide.
 */
export function checkConfig(value: unknown): SiTConfig {
  const config = checkGroup(value, "the SiT configuration", keys);
  const planes = checkGroup(config["planes"], "planes", planesKeys, renamedPlanesKeys);
  for (const name of planesKeys) checkInteger(planes[name], `planes.${name}`, 1, formBounds.size);
  for (const name of ["patch", "width", "depth", "heads", "classes"])
    checkInteger(config[name], name, 1, name === "depth" ? formBounds.layers : formBounds.size);
  checkNumber(config["mlpRatio"], "mlpRatio", 0.25, 64);
  checkNumber(config["labelDropout"], "labelDropout", 0, 1);
  if (typeof config["learnSigma"] !== "boolean")
    throw new CoordTokError(
      "config",
      `Expected learnSigma to be true or false, got ${shownJson(config["learnSigma"])}.`,
    );
  const checked = { ...config, planes } as unknown as SiTConfig;
  for (const axis of axes) checkDivides(checked.patch, "patch", checked.planes[axis], `planes.${axis}`);
  checkDivides(checked.heads, "heads", checked.width, "width");
  if (checked.width % 4 !== 0)
    throw new CoordTokError("config", `Expected a width that is a multiple of 4, got ${checked.width}.`);
  checkInteger(hiddenWidth(checked), "width times mlpRatio", 1);
  return checked;
}

/** The hidden width of the MLPs. */
function hiddenWidth({ width, mlpRatio }: SiTConfig): number {
  return width * mlpRatio;
}

/** The number of rows in the table of classes; when labels are dropped in training, the last one is "no class". */
export function classRows({ classes, labelDropout }: SiTConfig): number {
  return classes + (labelDropout > 0 ? 1 : 0);
}

/** The number of tokens along the two axes of a plane. */
export function tokenGrid({ planes, patch }: SiTConfig, plane: PlaneName): [outer: number, inner: number] {
  const [outer, inner] = planeSize(planes, plane);
  return [outer / patch, inner / patch];
}

/** The number of tokens of a triplane: 320 for 16x16 and 32x16 cells and patch size 2. */
export function tokensOf(config: SiTConfig): number {
  return planeNames.reduce((sum, plane) => sum + tokenGrid(config, plane).reduce((a, b) => a * b), 0);
}

/** The grid of the learned positions that the two planes along time share. */
export function timePositionGrid({ planes, patch }: SiTConfig): [time: number, space: number] {
  return [planes.time / patch, Math.max(planes.rows, planes.columns) / patch];
}

/** The number of values in a token of a plane, before and after the transformer. */
export function tokenValues({ planes, patch, learnSigma }: SiTConfig): { input: number; output: number } {
  const input = patch * patch * planes.channels;
  return { input, output: learnSigma ? 2 * input : input };
}

/**
 * Throws unless triplanes have the model's size.
 * @throws CoordTokError `shape` for planes of another size, or a number of times that is not the number of triplanes.
 */
export function checkPlanes(
  { planes }: SiTConfig,
  found: TriplaneShape & { readonly batch: number },
  batch: number,
): void {
  const text = ({ time, rows, columns, channels }: TriplaneShape): string =>
    `${time} x ${rows} x ${columns} cells of ${channels} channels`;
  if (text(planes) !== text(found))
    throw new CoordTokError(
      "shape",
      `Expected triplanes of ${text(planes)} (time, rows, columns), got ${text(found)}.`,
    );
  if (found.batch !== batch)
    throw new CoordTokError("shape", `Expected a time for each of ${found.batch} triplanes, got ${batch}.`);
}

/**
 * Returns a configuration with single values replaced.
 * @param assignments for example `depth=4` or `planes.time=16`.
 * @throws CoordTokError `config` for an unknown key or a value that does not fit.
 */
export function overrideConfig(config: SiTConfig, assignments: readonly string[]): SiTConfig {
  return checkConfig(withOverrides(config, assignments));
}

import {
  checkChoice,
  checkDivides,
  checkInteger,
  checkGroup,
  CoordTokError,
  formBounds,
  withOverrides,
} from "@coordtok/core";
import type { PatchSize } from "@coordtok/core/nn";
import {
  patchLattice,
  planeNames,
  planeSize,
  type PatchLattice,
  type PlaneName,
  type TriplaneShape,
} from "@coordtok/triplane";

/** The size of the clips a tokenizer is made for. */
export interface ClipSize {
  /** The longest clip, in frames; shorter ones are padded. */
  readonly frames: number;
  /** Rows of pixels. */
  readonly height: number;
  /** Columns of pixels. */
  readonly width: number;
}

/** The clip encoder: a video transformer whose tokens are read by a latent transformer. */
export interface EncoderConfig {
  /** Width of both transformers. */
  readonly width: number;
  /** Heads of both transformers; they divide the width. */
  readonly heads: number;
  /** Blocks of the video transformer. */
  readonly videoLayers: number;
  /** Blocks of the latent transformer. */
  readonly latentLayers: number;
  /** The patch of video that becomes one token. */
  readonly patch: PatchSize;
}

/** The three planes: xy `[rows, columns, channels]`, yt `[time, columns, channels]`, xt `[time, rows, channels]`. */
export interface PlanesConfig {
  /** Cells along the rows of a frame. */
  readonly rows: number;
  /** Cells along the columns of a frame. */
  readonly columns: number;
  /** Cells along time. */
  readonly time: number;
  /** Numbers per cell. */
  readonly channels: number;
  /** The patch of a plane that one query of the latent transformer makes: `space` by `space` cells of xy, `time` by `space` of yt and xt. */
  readonly queryPatch: PatchSize;
}

/** The coordinate decoder: a transformer over the features looked up at many coordinates. */
export interface DecoderConfig {
  /** Width of the transformer. */
  readonly width: number;
  /** They divide the width. */
  readonly heads: number;
  /** Blocks of the transformer. */
  readonly layers: number;
  /** The patch of pixels that one coordinate stands for. */
  readonly patch: PatchSize;
}

/** Everything that fixes the form of a tokenizer. Plain data; `preset` gives examples. */
export interface TokenizerConfig {
  /** The form of the paper; `LatticeConfig` is the other one. Stored configurations that say nothing are of this form. */
  readonly form: "paper";
  /** The clips it is made for. */
  readonly clip: ClipSize;
  /** The clip encoder. */
  readonly encoder: EncoderConfig;
  /** The planes between encoder and decoder. */
  readonly planes: PlanesConfig;
  /** The coordinate decoder. */
  readonly decoder: DecoderConfig;
  /**
   * What becomes of missing frames. `masked`: the last real frame is repeated to fill its patch, and tokens without a real frame are
   * never attended to. `official`: missing frames are -3, and 1 is added to the cross-attention logits of tokens that lack a frame, as
   * the published code does.
   */
  readonly padding: "masked" | "official";
  /**
   * `none`: whole-number patch positions, query patches of a plane in raster order. `official`: the fp32 position quirk and the square
   * query grid of the published code (`docs/parity.md`).
   */
  readonly compat: "none" | "official";
}

/** What earlier versions called a key of `planes`. */
const renamedPlanesKeys = { cell: "queryPatch" };

const shape: { readonly [group: string]: readonly string[] } = {
  clip: ["frames", "height", "width"],
  encoder: ["width", "heads", "videoLayers", "latentLayers", "patch"],
  planes: ["rows", "columns", "time", "channels", "queryPatch"],
  decoder: ["width", "heads", "layers", "patch"],
};

/**
 * Checks a configuration, from any source.
 * @param value plain data, for example parsed JSON.
 * @returns the same data with its form, typed; what earlier versions stored under another name is under its name of today.
 * @throws CoordTokError `config` naming the key that is unknown, missing or out of range, or the two numbers that do not divide.
 */
export function checkConfig(value: unknown): TokenizerConfig {
  checkForm(value);
  const stored = checkGroup(value, "the tokenizer configuration", ["form", ...Object.keys(shape), "padding", "compat"]);
  const config: Record<string, unknown> = { form: "paper", ...stored };
  for (const [name, keys] of Object.entries(shape)) {
    const part = checkGroup(stored[name], name, keys, name === "planes" ? renamedPlanesKeys : {});
    config[name] = part;
    for (const key of keys) {
      const path = `${name}.${key}`;
      if (key === "patch" || key === "queryPatch") {
        const size = checkGroup(part[key], path, ["time", "space"]);
        for (const axis of ["time", "space"]) checkInteger(size[axis], `${path}.${axis}`, 1, formBounds.size);
      } else {
        const isLayers = key.endsWith("ayers");
        checkInteger(part[key], path, isLayers ? 0 : 1, isLayers ? formBounds.layers : formBounds.size);
      }
    }
  }
  checkChoice(stored["padding"], "padding", ["masked", "official"]);
  checkChoice(stored["compat"], "compat", ["none", "official"]);
  const checked = config as unknown as TokenizerConfig;
  checkDivisibility(checked);
  return checked;
}

/** The keys of the other form say nothing here, so its name comes before them. */
function checkForm(value: unknown): void {
  const form = typeof value === "object" && value !== null && "form" in value ? value.form : "paper";
  if (form === "lattice")
    throw new CoordTokError(
      "config",
      "Expected a tokenizer of the paper's form, got one of the lattice form; use a function or command that takes that form.",
    );
  checkChoice(form, "form", ["paper"]);
}

function checkDivisibility({ clip, encoder, planes, decoder, compat }: TokenizerConfig): void {
  checkDivides(encoder.heads, "encoder.heads", encoder.width, "encoder.width");
  checkDivides(decoder.heads, "decoder.heads", decoder.width, "decoder.width");
  for (const [name, patch] of [
    ["encoder.patch", encoder.patch],
    ["decoder.patch", decoder.patch],
  ] as const) {
    checkDivides(patch.time, `${name}.time`, clip.frames, "clip.frames");
    checkDivides(patch.space, `${name}.space`, clip.height, "clip.height");
    checkDivides(patch.space, `${name}.space`, clip.width, "clip.width");
  }
  checkDivides(planes.queryPatch.space, "planes.queryPatch.space", planes.rows, "planes.rows");
  checkDivides(planes.queryPatch.space, "planes.queryPatch.space", planes.columns, "planes.columns");
  checkDivides(planes.queryPatch.time, "planes.queryPatch.time", planes.time, "planes.time");
  if (compat === "official") checkOfficialGrid(planes);
}

/** The published code assembles the query patches of each plane on a square grid, so their number has to be a square. */
function checkOfficialGrid(planes: PlanesConfig): void {
  for (const plane of planeNames) {
    const [rows, columns] = queryGrid(planes, plane);
    if (!Number.isInteger(Math.sqrt(rows * columns)))
      throw new CoordTokError(
        "config",
        `Expected a square number of query patches in plane ${plane} with compat=official, got ${rows} x ${columns}; use compat=none.`,
      );
  }
}

/** The size of the triplanes of a configuration. */
export function triplaneShapeOf({ planes }: { readonly planes: PlanesConfig }): TriplaneShape {
  const { time, rows, columns, channels } = planes;
  return { time, rows, columns, channels };
}

/** The two sizes of a query patch of a plane, in cells. */
export function queryPatchSize(planes: PlanesConfig, plane: PlaneName): [number, number] {
  const { space, time } = planes.queryPatch;
  return [plane === "xy" ? space : time, space];
}

/** How many query patches a plane has along its two axes. */
export function queryGrid(planes: PlanesConfig, plane: PlaneName): [number, number] {
  const [first, second] = planeSize(triplaneShapeOf({ planes }), plane);
  const [outer, inner] = queryPatchSize(planes, plane);
  return [first / outer, second / inner];
}

/** The patch lattice of a model. */
export function latticeOf({ clip, decoder }: TokenizerConfig): PatchLattice {
  return patchLattice({ ...clip, patch: decoder.patch });
}

/** How many video tokens the encoder reads. */
export function videoTokenCount({ clip, encoder: { patch } }: TokenizerConfig): number {
  return (clip.frames / patch.time) * (clip.height / patch.space) * (clip.width / patch.space);
}

/**
 * A configuration with single values replaced.
 * @param assignments such as `decoder.layers=4`.
 * @throws CoordTokError `config`.
 */
export function overrideConfig(config: TokenizerConfig, assignments: readonly string[]): TokenizerConfig {
  return checkConfig(withOverrides(config, assignments));
}

import { checkChoice, checkDivides, checkInteger, checkGroup, CoordTokError, withOverrides } from "@coordtok/core";
import { formBounds } from "@coordtok/core/checks";
import type { PatchSize } from "@coordtok/core/nn";
import {
  patchLattice,
  planeNames,
  planeSize,
  type PatchLattice,
  type PlaneName,
  type TriplaneShape,
} from "@coordtok/triplane";

/** The size of the clips that a tokenizer is made for. */
export interface ClipSize {
  /** The longest clip, in frames; shorter ones are padded. */
  readonly frames: number;
  /** Rows of pixels. */
  readonly height: number;
  /** Columns of pixels. */
  readonly width: number;
}

/** The clip encoder: a video transformer, and a latent transformer that reads its tokens. */
export interface EncoderConfig {
  /** Width of both transformers. */
  readonly width: number;
  /** Attention heads of both transformers; must divide the width. */
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
  /** Values per cell. */
  readonly channels: number;
  /**
   * The patch of a plane that one query of the latent transformer produces: `space` by `space` cells of xy, `time` by `space` of yt
   * and xt.
   */
  readonly queryPatch: PatchSize;
}

/** The coordinate decoder: a transformer over the features looked up at a set of coordinates. */
export interface DecoderConfig {
  /** Width of the transformer. */
  readonly width: number;
  /** Attention heads; must divide the width. */
  readonly heads: number;
  /** Blocks of the transformer. */
  readonly layers: number;
  /** The patch of pixels that one coordinate decodes to. */
  readonly patch: PatchSize;
}

/** Everything that fixes the form of a tokenizer. It is plain data; `preset` gives examples. */
export interface TokenizerConfig {
  /** The paper's form; the other one is `LatticeConfig`. A stored configuration without this key has the paper's form. */
  readonly form: "paper";
  /** The clips that the tokenizer is made for. */
  readonly clip: ClipSize;
  /** The clip encoder. */
  readonly encoder: EncoderConfig;
  /** The planes between encoder and decoder. */
  readonly planes: PlanesConfig;
  /** The coordinate decoder. */
  readonly decoder: DecoderConfig;
  /**
   * How missing frames are filled. `masked`: the last real frame is repeated to fill its patch, and tokens without a real frame are
   * never attended to. `official`: missing frames are -3, and 1 is added to the cross-attention logits of tokens that lack a frame,
   * as in the published code.
   */
  readonly padding: "masked" | "official";
  /**
   * `none`: integer patch positions; the query patches of a plane are in raster order. `official`: the fp32 position quirk and the square
   * query grid of the published code (`docs/parity.md`).
   */
  readonly compat: "none" | "official";
}

/** Keys of `planes` whose names have changed since earlier versions. */
const renamedPlanesKeys = { cell: "queryPatch" };

const shape: { readonly [group: string]: readonly string[] } = {
  clip: ["frames", "height", "width"],
  encoder: ["width", "heads", "videoLayers", "latentLayers", "patch"],
  planes: ["rows", "columns", "time", "channels", "queryPatch"],
  decoder: ["width", "heads", "layers", "patch"],
};

/**
 * Checks a configuration from any source.
 * @param value plain data, for example parsed JSON.
 * @returns the same data, typed, with its form; keys stored under an earlier name are renamed.
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

/** The form is checked first, because the keys of the other form are all unknown here. */
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

/**
 * Checks for `compat: "official"`: the published code assembles the query patches of each plane on a square grid, so their number
 * must be a square.
 */
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

/** The height and width of a query patch of a plane, in cells. */
export function queryPatchSize(planes: PlanesConfig, plane: PlaneName): [number, number] {
  const { space, time } = planes.queryPatch;
  return [plane === "xy" ? space : time, space];
}

/** The number of query patches along the two axes of a plane. */
export function queryGrid(planes: PlanesConfig, plane: PlaneName): [number, number] {
  const [first, second] = planeSize(triplaneShapeOf({ planes }), plane);
  const [outer, inner] = queryPatchSize(planes, plane);
  return [first / outer, second / inner];
}

/** The patch lattice of the decoder. */
export function latticeOf({ clip, decoder }: TokenizerConfig): PatchLattice {
  return patchLattice({ ...clip, patch: decoder.patch });
}

/** The number of video tokens that the encoder produces. */
export function videoTokenCount({ clip, encoder: { patch } }: TokenizerConfig): number {
  return (clip.frames / patch.time) * (clip.height / patch.space) * (clip.width / patch.space);
}

/**
 * Returns a configuration with single values replaced.
 * @param assignments for example `decoder.layers=4`.
 * @throws CoordTokError `config` for an unknown key or a value that does not fit.
 */
export function overrideConfig(config: TokenizerConfig, assignments: readonly string[]): TokenizerConfig {
  return checkConfig(withOverrides(config, assignments));
}

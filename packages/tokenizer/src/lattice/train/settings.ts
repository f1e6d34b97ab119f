import { checkInteger, checkNumber, checkOptions, type OptionNames } from "@coordtok/core";
import { adamwDefaults, checkLoopSettings, type LoopSettings } from "@coordtok/core/train";
import { latticeBlock, type FrameSize } from "../config.js";

/** The size and number of the clips in one training step. */
export interface BatchShape extends FrameSize {
  /** The number of clips. */
  readonly clips: number;
  /** The weight of this shape in the draw, relative to the other shapes. */
  readonly share: number;
}

/** The settings of a lattice training. `finalFraction` has no effect: rates end at 0. */
export interface LatticeTrainSettings extends LoopSettings {
  /** The last part of the training, 0 to 1, in which the rates fall to 0. */
  readonly fallShare: number;
  /** The shapes from which each step draws one; their sizes are whole blocks. */
  readonly shapes: readonly BatchShape[];
  /** The shapes that the first steps draw from instead. */
  readonly firstShapes: readonly BatchShape[];
  /** The first part of the training, 0 to 1, that uses `firstShapes`. */
  readonly firstShare: number;
  /** The share of clips, 0 to 1, that are pictures under a moving camera, if there are pictures. */
  readonly pictureShare: number;
  /** The largest number of blocks of time decoded per clip; they are drawn when there are more. */
  readonly decodedBlocks: number;
}

/** The default settings: the rates and shares that the starter was trained with, and batches small enough for two cores. */
export const latticeTrainDefaults: LatticeTrainSettings = {
  ...adamwDefaults,
  optimizer: "muon",
  learningRate: 1e-3,
  muonRate: 0.01,
  beta2: 0.98,
  weightDecay: 0,
  warmupSteps: 60,
  totalSteps: 1000,
  finalFraction: 0,
  fallShare: 0.7,
  accumulate: 1,
  clipNorm: 1,
  emaDecay: 0.998,
  shapes: [
    { frames: 16, height: 64, width: 64, clips: 8, share: 0.6 },
    { frames: 32, height: 64, width: 64, clips: 4, share: 0.25 },
    { frames: 16, height: 96, width: 96, clips: 4, share: 0.15 },
  ],
  firstShapes: [{ frames: 16, height: 64, width: 64, clips: 8, share: 1 }],
  firstShare: 0.3,
  pictureShare: 0.3,
  decodedBlocks: 4,
};

/** Throws `config` unless all settings are in range. */
export function checkLatticeTrainSettings(settings: LatticeTrainSettings): void {
  checkLoopSettings(settings);
  checkInteger(settings.decodedBlocks, "decodedBlocks", 1);
  for (const name of ["fallShare", "firstShare", "pictureShare"] as const) checkNumber(settings[name], name, 0, 1);
  for (const list of ["shapes", "firstShapes"] as const) {
    checkInteger(settings[list].length, `${list}.length`, 1);
    for (const [i, shape] of settings[list].entries()) checkBatchShape(shape, `${list}[${i}]`);
  }
}

function checkBatchShape(shape: BatchShape, where: string): void {
  const units = { frames: latticeBlock.time, height: latticeBlock.space, width: latticeBlock.space };
  for (const [name, unit] of Object.entries(units) as [keyof FrameSize, number][]) {
    checkInteger(shape[name], `${where}.${name}`, unit);
    checkInteger(shape[name] / unit, `${where}.${name} / ${unit}`, 1);
  }
  checkInteger(shape.clips, `${where}.clips`, 1);
  checkNumber(shape.share, `${where}.share`, 0);
}

/** What {@link latticeShapes} makes shapes for. */
export interface LatticeShapesOptions {
  /** Rows and columns of pixels of every window, whole blocks of 8 (default: 64x64, and 96x96 in every seventh step). */
  readonly size?: { readonly height: number; readonly width: number } | undefined;
  /** Frames of every window, whole blocks of 4 (default: 16, and 32 in every fourth step). */
  readonly frames?: number | undefined;
  /** The number of windows of 16 frames of 64x64 pixels in a step; of larger ones there are fewer, at least 1 (default 8). */
  readonly clips?: number | undefined;
}

const latticeShapesOptionNames: OptionNames<LatticeShapesOptions> = { size: true, frames: true, clips: true };

/** The number of values of the smallest default window. */
const unit = 16 * 64 * 64;

/**
 * The shapes of a training with windows of other sizes than the default. Steps of all shapes take about equally long.
 * @throws CoordTokError `config` for sizes that are not whole blocks.
 */
export function latticeShapes(options: LatticeShapesOptions): Pick<LatticeTrainSettings, "shapes" | "firstShapes"> {
  checkOptions(options, latticeShapesOptionNames, "latticeShapes");
  const { size, frames, clips = 8 } = options;
  checkInteger(clips, "clips", 1);
  const resized = (shape: BatchShape): BatchShape => {
    const { height, width } = size ?? shape;
    const length = frames ?? shape.frames;
    const count = Math.max(1, Math.round((clips * unit) / (length * height * width)));
    return { frames: length, height, width, clips: count, share: shape.share };
  };
  const made = {
    shapes: merged(latticeTrainDefaults.shapes.map(resized)),
    firstShapes: merged(latticeTrainDefaults.firstShapes.map(resized)),
  };
  for (const shape of made.shapes) checkBatchShape(shape, "shape");
  return made;
}

/** The shapes, each once, with the sum of its shares. */
function merged(shapes: readonly BatchShape[]): BatchShape[] {
  const found = new Map<string, BatchShape>();
  for (const shape of shapes) {
    const key = `${shape.frames} ${shape.height} ${shape.width}`;
    found.set(key, { ...shape, share: shape.share + (found.get(key)?.share ?? 0) });
  }
  return [...found.values()];
}

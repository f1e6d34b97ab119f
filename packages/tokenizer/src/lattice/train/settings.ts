import { checkChoice, checkInteger, checkNumber } from "@coordtok/core";
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
  /** The optimizer of the matrices within the blocks; everything else is trained with AdamW. */
  readonly optimizer: "muon" | "adamw";
  /** The peak learning rate of Muon; `learningRate` is that of AdamW. */
  readonly muonRate: number;
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
  checkChoice(settings.optimizer, "optimizer", ["muon", "adamw"]);
  checkInteger(settings.decodedBlocks, "decodedBlocks", 1);
  checkNumber(settings.muonRate, "muonRate", 0);
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

import { checkChoice, checkInteger, checkNumber } from "@coordtok/core";
import { adamwDefaults, checkLoopSettings, type LoopSettings } from "@coordtok/core/train";
import { latticeBlock, type FrameSize } from "../config.js";

/** Clips that one step is trained on. */
export interface BatchShape extends FrameSize {
  /** How many clips. */
  readonly clips: number;
  /** The share of the steps, against those of the other shapes. */
  readonly share: number;
}

/** How to train a lattice tokenizer. `finalFraction` has no meaning: rates end at 0. */
export interface LatticeTrainSettings extends LoopSettings {
  /** For the matrices within the blocks; everything else takes AdamW. */
  readonly optimizer: "muon" | "adamw";
  /** The highest rate of Muon; `learningRate` is that of AdamW. */
  readonly muonRate: number;
  /** The part of the training at its end in which the rates fall to 0, 0 to 1. */
  readonly fallShare: number;
  /** The clips of a step, one shape drawn for each. Whole blocks. */
  readonly shapes: readonly BatchShape[];
  /** The shapes at the beginning. */
  readonly firstShapes: readonly BatchShape[];
  /** How long the beginning is, as a part of the training, 0 to 1. */
  readonly firstShare: number;
  /** The share of clips that are pictures under a moving camera, where there are pictures, 0 to 1. */
  readonly pictureShare: number;
  /** The most blocks of time decoded of each clip; they are drawn where there are more. */
  readonly decodedBlocks: number;
}

/** The defaults: rates and shares as the starter was trained with, small batches as two cores need them. */
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

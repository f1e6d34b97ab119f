import { resolve } from "node:path";
import type { LoadedBackend } from "@coordtok/backend";
import { checkInteger, CoordTokError, pickOptions } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";
import { bytesText } from "@coordtok/core/text";
import { initialTrainState, withChanges, type TrainState } from "@coordtok/core/train";
import { checkLatticeConfig, LatticeCoordTok, type LatticeConfig } from "@coordtok/tokenizer";
import type { LatticeMemoryWork, LatticeParams } from "@coordtok/tokenizer/lattice";
import {
  latticeOptimizer,
  latticeShapes,
  latticeTrainDefaults,
  readLatticeTraining,
  type BatchShape,
  type LatticeTrainSettings,
} from "@coordtok/tokenizer/train";
import { bytesPerWorker, defaultWorkers } from "@coordtok/video/node";
import { checkLatticeMemory } from "../model.js";
import { namingOptionNames } from "../models/naming-options.js";
import { resolveModel } from "../models/resolve-model.js";
import { storedParts, type StoredParts } from "./stored-parts.js";
import { footageFrames } from "./training-footage.js";
import { windowsAhead } from "./training-videos.js";
import type { TrainOnVideosOptions } from "./train-on-videos.js";
import { checkSettings, checkTexts, resumeTraining, type Resumed } from "./training-plan.js";

/** The content of `config.json` of a lattice tokenizer's run: everything needed to repeat the training. */
export interface LatticeRecord extends StoredParts {
  readonly config: LatticeConfig;
  readonly settings: LatticeTrainSettings;
  readonly seed: number;
  /** Absolute paths of the videos that are trained on, in their order. */
  readonly videos: readonly string[];
  /** Absolute paths of the pictures. */
  readonly pictures: readonly string[];
  readonly validation: readonly string[];
  /** The checkpoint whose weights the training started from. */
  readonly from?: string | undefined;
  /** The PSNR in dB of the linear start. */
  readonly startPsnrDb?: number | undefined;
  /** How a time budget determined the number of steps. */
  readonly budget?: { readonly minutes: number; readonly secondsPerStep: number } | undefined;
}

/** Checks the content of a `config.json`. @throws CoordTokError `config`. */
export function parseLatticeRecord(stored: object): LatticeRecord {
  const record = stored as LatticeRecord;
  checkInteger(record.seed, "seed", Number.MIN_SAFE_INTEGER);
  checkSettings(record.settings, ["totalSteps", "decodedBlocks"]);
  for (const name of ["videos", "pictures", "validation"] as const) checkTexts(record[name], name);
  return { ...record, ...storedParts(stored), config: checkLatticeConfig(record.config) };
}

/** What to train, the state to start from, and the record for the run folder. */
export interface LatticePlan {
  readonly config: LatticeConfig;
  readonly settings: LatticeTrainSettings;
  /** The state to start from; absent for a training that begins with the linear start. */
  readonly state?: TrainState<LatticeParams> | undefined;
  /** The estimated memory in bytes. */
  readonly memoryBytes: number;
  readonly record: Omit<LatticeRecord, "videos" | "pictures">;
}

/**
 * Plans a new lattice training, or reads the one to resume. Memory is checked before any weights are loaded.
 * @throws CoordTokError `memory`, `config`, `checkpoint`, `usage`.
 */
export function planLattice(
  resumed: Resumed<LatticeRecord> | undefined,
  options: TrainOnVideosOptions,
  backend: LoadedBackend,
): Promise<LatticePlan> {
  refusePaperOptions(options);
  return resumed === undefined ? newPlan(options, backend) : resumedPlan(resumed, options, backend);
}

async function newPlan(options: TrainOnVideosOptions, backend: LoadedBackend): Promise<LatticePlan> {
  const { seed = 0, from, signal, config: given } = options;
  const settings = withChanges(latticeTrainDefaults, changesOf(options));
  const validation = (options.validation ?? []).map((path) => resolve(path));
  const record = { settings, seed, validation };
  if (from === undefined) {
    const config = checkLatticeConfig(given);
    const memoryBytes = checkTrainingMemory(config, settings, backend, options);
    return { config, settings, memoryBytes, record: { config, ...record } };
  }
  const checkpoint = resolve(await resolveModel(from, pickOptions(options, namingOptionNames)));
  const source = await openFileSource(checkpoint);
  let memoryBytes = 0;
  try {
    // The moving average of the checkpoint, which the training now owns.
    const { config, params } = await LatticeCoordTok.load(source, {
      signal,
      onConfig: (stored) => {
        memoryBytes = checkTrainingMemory(stored, settings, backend, options);
      },
    });
    const state = initialTrainState(params, seed, latticeOptimizer(settings));
    return { config, settings, state, memoryBytes, record: { config, ...record, from: checkpoint } };
  } finally {
    await source.close();
  }
}

async function resumedPlan(
  resumed: Resumed<LatticeRecord>,
  options: TrainOnVideosOptions,
  backend: LoadedBackend,
): Promise<LatticePlan> {
  const { record } = resumed;
  let memoryBytes = 0;
  const check = (_: LatticeTrainSettings, now: LatticeTrainSettings): void => {
    memoryBytes = checkTrainingMemory(record.config, now, backend, options);
  };
  const kind = { read: readLatticeTraining, config: record.config, check };
  const plan = await resumeTraining(resumed, kind, { ...options, settings: changesOf(options) });
  if (plan === undefined) return newPlan(asFirstStarted(record, options), backend);
  const validation = options.validation?.map((path) => resolve(path)) ?? record.validation;
  return { ...plan, memoryBytes, record: { ...record, settings: plan.settings, validation } };
}

/** The options that a training was started with, and those that are given now. */
function asFirstStarted(record: LatticeRecord, options: TrainOnVideosOptions): TrainOnVideosOptions {
  const { config, seed, from, settings, validation } = record;
  return {
    ...options,
    seed,
    from,
    config: from === undefined ? config : undefined,
    size: undefined,
    windowFrames: undefined,
    settings: withChanges(settings, changesOf(options)),
    validation: options.validation ?? validation,
  };
}

/** The settings that the options change: those given, and shapes for the number and size of the windows. */
function changesOf({ settings, size, windowFrames }: TrainOnVideosOptions): Partial<LatticeTrainSettings> {
  const { batchSize, ...changes } = { batchSize: undefined, ...settings } as Partial<LatticeTrainSettings> & {
    readonly batchSize?: number | undefined;
  };
  if (batchSize === undefined && size === undefined && windowFrames === undefined) return changes;
  return { ...latticeShapes({ size, frames: windowFrames, clips: batchSize }), ...changes };
}

/** Options and settings that only trainings of the paper's form have. */
const paperOptions = ["lpips", "weights", "workers", "frameCacheBytes"] as const;
const paperSettings = ["pointsPerClip", "stage", "perceptualScale"] as const;

function refusePaperOptions(options: TrainOnVideosOptions): void {
  const settings = (options.settings ?? {}) as Readonly<Record<string, unknown>>;
  const given = [
    ...paperOptions.filter((name) => options[name] !== undefined),
    ...paperSettings.filter((name) => settings[name] !== undefined),
  ];
  for (const name of given)
    throw new CoordTokError(
      "usage",
      `The training has the lattice form, and ${name} applies to the paper's form; leave it out.`,
      { options: { [name]: undefined } },
    );
}

function checkTrainingMemory(
  config: LatticeConfig,
  settings: LatticeTrainSettings,
  backend: LoadedBackend,
  { onNote, workers = defaultWorkers() }: TrainOnVideosOptions,
): number {
  const { shortSide, frames, clips } = footageFrames(settings);
  // Films are seldom wider than twice their height.
  const windowBytes = frames * 2 * shortSide ** 2 * 3;
  const readingBytes = (Math.max(1, workers) + 1) * bytesPerWorker + (clips + windowsAhead(clips)) * windowBytes;
  const works = [...settings.firstShapes, ...settings.shapes].map((shape) => workOf(shape, settings));
  const memoryBytes = Math.max(...works.map((work) => checkLatticeMemory(config, work, backend, readingBytes)));
  onNote?.(`The training needs about ${bytesText(memoryBytes)} of memory`);
  return memoryBytes;
}

function workOf(
  { clips, ...size }: BatchShape,
  { decodedBlocks }: LatticeTrainSettings,
): LatticeMemoryWork & { readonly task: "train" } {
  const { frames, height, width } = size;
  return { task: "train", size: { frames, height, width }, clips, blocks: Math.min(decodedBlocks, frames / 4) };
}

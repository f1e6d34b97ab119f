import {
  checkOptions,
  CoordTokError,
  isCoordTokError,
  longCallOptionNames,
  type LongCallOptions,
  type OptionNames,
  type RangeSource,
} from "@coordtok/core";
import { asJson } from "@coordtok/core/text";
import {
  encodeTrainState,
  initialTrainState,
  readTrainState,
  trainLoop,
  withChanges,
  type StoredTraining,
  type TrainState,
  type TrainStep,
} from "@coordtok/core/train";
import { checkpointKind } from "../../checkpoint.js";
import { parseLatticeConfig } from "../checkpoint.js";
import type { LatticeConfig } from "../config.js";
import { latticeParamShapes, type LatticeParams } from "../params.js";
import {
  checkFootage,
  drawByShare,
  drawLatticeBatch,
  possibleShape,
  stepFootage,
  type LatticeBatch,
  type TrainingFootage,
} from "./batch.js";
import { latticeLoss, psnrOfLatticeLoss } from "./loss.js";
import { latticeOptimizer, rateFactor } from "./optimizer.js";
import { checkLatticeTrainSettings, latticeTrainDefaults, type LatticeTrainSettings } from "./settings.js";

/** Options of {@link trainLattice}. */
export interface TrainLatticeOptions extends TrainingFootage {
  /** The configuration of the model. */
  readonly config: LatticeConfig;
  /** The settings that differ from {@link latticeTrainDefaults}. */
  readonly settings?: Partial<LatticeTrainSettings> | undefined;
  /** The state to resume from, or parameters, for example from `createLatticeStart`. Training takes ownership of it. */
  readonly from: LatticeParams | TrainState<LatticeParams>;
  /** The seed of all draws; a state brings its own (default 0). */
  readonly seed?: number | undefined;
  /** Ends the training after this many seconds instead of after `totalSteps`; the rates then follow the clock. */
  readonly seconds?: number | undefined;
  /** Ends the training after the step in progress, or without it while that waits for clips; the last state yielded is complete. */
  readonly signal?: AbortSignal | undefined;
}

const trainLatticeOptionNames: OptionNames<TrainLatticeOptions> = {
  clips: true,
  pictures: true,
  config: true,
  settings: true,
  from: true,
  seed: true,
  seconds: true,
  signal: true,
};

/** One step of {@link trainLattice}. */
export interface TrainLatticeStep {
  /** The state after the step. It is freed when the next step is requested; after the last step the caller owns it. */
  readonly state: TrainState<LatticeParams>;
  /** What the step measured. */
  readonly report: TrainStep & {
    /** The PSNR in dB that corresponds to the loss of the step, that is, to the geometric mean of the clips' errors. */
    readonly psnrDb: number;
    /** The share of the training that is done, 0 to 1. */
    readonly progress: number;
  };
}

/**
 * Trains a lattice tokenizer (`docs/spec.md#lattice-training`). Each step draws a shape, windows of clips and of pictures under a
 * moving camera, a budget for each, and the blocks to decode.
 * @throws CoordTokError `config` for settings out of range, `input` when no clip is large enough for a shape and there are no pictures.
 */
export async function* trainLattice(options: TrainLatticeOptions): AsyncGenerator<TrainLatticeStep, void, void> {
  checkOptions(options, trainLatticeOptionNames, "trainLattice");
  const { config, seconds, seed = 0 } = options;
  const settings: LatticeTrainSettings = withChanges(latticeTrainDefaults, options.settings);
  checkLatticeTrainSettings(settings);
  checkFootage(options, [...settings.firstShapes, ...settings.shapes]);
  if (seconds !== undefined && !(seconds > 0))
    throw new CoordTokError("config", `Expected a training time above 0 seconds, got ${seconds}.`);
  const clock = progressClock(settings, seconds);
  const factor = (step: number): number => rateFactor(step, clock.progress, settings);
  const optimizer = latticeOptimizer(settings, factor);
  const state = "optimizer" in options.from ? options.from : initialTrainState(options.from, seed, optimizer);
  clock.start(state.step);
  const { firstShapes, shapes: laterShapes, accumulate } = settings;
  const nextFootage = stepFootage(options, [...firstShapes, ...laterShapes], state.step * accumulate);
  const steps = trainLoop<LatticeParams, LatticeBatch>(
    state,
    {
      nextBatch: async (random) => {
        const footage = await nextFootage();
        const shapes = clock.progress < settings.firstShare ? firstShapes : laterShapes;
        const drawn = drawByShare(shapes, ({ share }) => share, random);
        const shape = possibleShape(footage, drawn, [...shapes, ...firstShapes, ...laterShapes]);
        return drawLatticeBatch(footage, shape, config.channels, settings, random);
      },
      loss: (params, { clip, budget, blocks }) => latticeLoss(params, config, clip, { budget, blocks }),
      disposeBatch: ({ clip }) => clip.frames.dispose(),
      signal: options.signal,
    },
    seconds === undefined ? settings : { ...settings, totalSteps: Number.MAX_SAFE_INTEGER },
    optimizer,
  );
  try {
    for await (const { state: next, report } of steps) {
      const learningRate = settings.learningRate * factor(report.step - 1);
      clock.advance(report.step);
      const psnrDb = psnrOfLatticeLoss(report.loss);
      yield { state: next, report: { ...report, learningRate, psnrDb, progress: clock.progress } };
      if (clock.progress >= 1 || options.signal?.aborted) return;
    }
  } catch (thrown) {
    // Stopped within a step, which is then not taken.
    if (options.signal?.aborted !== true || !isCoordTokError(thrown) || thrown.code !== "aborted") throw thrown;
  }
}

/** Measures how far a training is, by steps or by the clock, which is read once before each step. */
interface ProgressClock {
  readonly progress: number;
  start(step: number): void;
  advance(step: number): void;
}

function progressClock({ totalSteps }: LatticeTrainSettings, seconds: number | undefined): ProgressClock {
  let progress = 0;
  let started = 0;
  return {
    get progress() {
      return progress;
    },
    start(step) {
      started = performance.now();
      progress = seconds === undefined ? step / totalSteps : 0;
    },
    advance(step) {
      progress = seconds === undefined ? step / totalSteps : (performance.now() - started) / 1000 / seconds;
    },
  };
}

/** A saved lattice training: enough to resume bit for bit on the same backend. */
export type SavedLatticeTraining = StoredTraining<LatticeConfig, LatticeTrainSettings, LatticeParams>;

/** Encodes a lattice training as the bytes of a checkpoint; see `encodeTrainState` of `@coordtok/core/train`. Nothing is freed. */
export function encodeLatticeTraining({ config, ...training }: SavedLatticeTraining): AsyncGenerator<Uint8Array, void> {
  return encodeTrainState(checkpointKind, { config: asJson(config), ...training });
}

/**
 * Reads a lattice training, to resume it.
 * @param source a checkpoint made by {@link encodeLatticeTraining}.
 * @throws CoordTokError `checkpoint` when the file holds no training of a lattice tokenizer, or does not fit its configuration.
 */
export async function readLatticeTraining(
  source: RangeSource | Uint8Array | Blob,
  options: LongCallOptions = {},
): Promise<SavedLatticeTraining> {
  checkOptions(options, longCallOptionNames, "readLatticeTraining");
  const { config, settings, state } = await readTrainState<LatticeConfig, LatticeTrainSettings, LatticeParams>(source, {
    ...options,
    kind: checkpointKind,
    parseConfig: parseLatticeConfig,
    paramShapes: latticeParamShapes,
    optimizer: latticeOptimizer,
  });
  return { config, settings, state };
}

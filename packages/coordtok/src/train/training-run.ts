import type { LoadedBackend } from "@coordtok/backend";
import { CoordTokError, isCoordTokError, type TensorTree } from "@coordtok/core";
import { durationText } from "@coordtok/core/text";
import { disposeTrainState, type LoopSettings, type TrainState, type TrainStep } from "@coordtok/core/train";
import { ownVersion } from "../inspect/versions.js";
import type { CommonOptions } from "../model.js";
import { createRunFolder, reopenRunFolder, type RunFolder } from "./run-folder.js";
import { measuredSteps, RunKeeper } from "./run-keeper.js";
import type { RunPlace, TrainingOptions } from "./training-plan.js";

/** One step of any training. */
export interface AnyStep<P extends TensorTree> {
  readonly state: TrainState<P>;
  readonly report: TrainStep & { readonly psnrDb?: number | undefined };
}

/** An action that is repeated after a number of steps and after the last step. */
export interface OnTheWay<P extends TensorTree, Result> {
  readonly every: number;
  readonly of: (state: TrainState<P>) => Promise<Result>;
  /** Whether results do not compare with those of a training that is resumed. */
  readonly fresh?: boolean | undefined;
}

/** The inputs of a training run, whatever it trains. */
export interface TrainingRun<P extends TensorTree, S extends LoopSettings> {
  readonly settings: S;
  /** The state to start from; the run takes ownership of it. */
  readonly state?: TrainState<P> | undefined;
  /** The content of `config.json`, with the settings. */
  readonly record: { readonly settings: S; readonly [name: string]: unknown };
  /** The number of steps in which all data are seen once, if that is known. */
  readonly stepsPerEpoch?: number | undefined;
  /** The estimated memory in bytes. */
  readonly memoryBytes?: number | undefined;
  /** The size of all files that are read, in bytes. */
  readonly sourceBytes?: number | undefined;
  /** The function that resumes such a training. */
  readonly trainer: "trainOnVideos" | "trainOnLatents";
  /** Trains with some settings from some state on and yields the steps; ends after a step once the signal is aborted. */
  readonly steps: (settings: S, state: TrainState<P> | undefined) => AsyncGenerator<AnyStep<P>, void, void>;
  /** Encodes a checkpoint. */
  readonly encode: (settings: S, state: TrainState<P>) => AsyncGenerator<Uint8Array, void>;
  /** Measures a PSNR in dB; `undefined` when it was stopped. */
  readonly measure?: OnTheWay<P, number | undefined> | undefined;
  /** Writes a preview. */
  readonly preview?: OnTheWay<P, void> | undefined;
  /** The PSNR in dB that corresponds to a loss, if that is meaningful. */
  readonly psnrOf?: ((loss: number) => number) | undefined;
}

/** What is done with a training run: it is trained, or only tried. */
export type UseOfRun<Result> = <P extends TensorTree, S extends LoopSettings>(
  run: TrainingRun<P, S>,
  place: RunPlace<unknown>,
  backend: LoadedBackend,
  options: TrainingOptions<S>,
) => Promise<Result>;

/** The result of a training run. */
export interface TrainingResult {
  /** The run folder. */
  readonly run: string;
  /** The backend that was used, for example `tensorflow` or `wasm`. */
  readonly backend: string;
  /** Number of steps that the training was to take. */
  readonly totalSteps: number;
  /** Number of steps taken. */
  readonly step: number;
  /** The mean loss over the last steps, at most 20. */
  readonly loss: number;
  /** The PSNR in dB that corresponds to that loss; absent in stage 2. */
  readonly psnrDb: number | undefined;
  /** The last PSNR in dB of the held-out clips, if there are any. */
  readonly validationPsnrDb: number | undefined;
  /**
   * The share of the steps' time, 0 to 1, in which they waited for their data: from the second epoch on, if there is one.
   */
  readonly dataShare: number;
  /** The path of the newest checkpoint. */
  readonly checkpoint: string;
  /** The duration in seconds. */
  readonly seconds: number;
}

/** The share of a time budget that the measured steps may take. */
const measuredShare = 0.15;

/** After this share of a time budget, the number of steps is fitted once more: the first steps wait for videos that are decoded. */
const fittedShare = 0.25;

function isWithin(budget: number, seconds: number): boolean {
  return Math.abs(seconds - budget) <= 0.05 * budget;
}

/**
 * Trains, and keeps the run folder up to date: configuration, versions, metrics, checkpoints, curve.
 * @throws CoordTokError `aborted`, with advice on how to resume, once a checkpoint is saved; `not-finite` for a training that has
 *   diverged, whose checkpoints are kept; and for folders that cannot be used.
 */
export async function runTraining<P extends TensorTree, S extends LoopSettings>(
  run: TrainingRun<P, S>,
  place: RunPlace<unknown>,
  backend: LoadedBackend,
  options: TrainingOptions<S>,
): Promise<TrainingResult> {
  const last: Last<P> = { state: run.state };
  try {
    await using folder = await openFolder(place, run.state?.step ?? 0, options);
    await folder.writeConfig(run.record, versionsOf(backend));
    return await trainIn(folder, run, last, backend, options);
  } finally {
    if (last.state) disposeTrainState(last.state);
  }
}

/** The state after the last step, which whoever holds this frees. */
interface Last<P extends TensorTree> {
  state: TrainState<P> | undefined;
}

async function trainIn<P extends TensorTree, S extends LoopSettings>(
  folder: RunFolder,
  run: TrainingRun<P, S>,
  last: Last<P>,
  backend: LoadedBackend,
  options: TrainingOptions<S>,
): Promise<TrainingResult> {
  let { settings } = run;
  const keeper = new RunKeeper(run, folder, options);
  const started = performance.now();
  try {
    const seconds = (options.minutes ?? 0) * 60;
    const gone = (): number => (performance.now() - started) / 1000;
    const fit = async (): Promise<void> => {
      const secondsPerStep = keeper.secondsPerStep();
      const fitting = keeper.step + Math.max(1, Math.floor((seconds - gone()) / secondsPerStep));
      settings = { ...settings, totalSteps: Math.max(fitting, options.leastSteps ?? 1) };
      options.onNote?.(budgetText(fitting, settings, secondsPerStep, seconds));
      const budget = { minutes: options.minutes, secondsPerStep };
      await folder.writeConfig({ ...run.record, settings, budget }, versionsOf(backend));
    };
    if (options.minutes !== undefined) {
      for await (const one of measuringSteps(run, seconds, started)) {
        last.state = one.state;
        await keeper.take(one, undefined);
      }
      await fit();
    }
    let isFitted = options.minutes === undefined || gone() > fittedShare * seconds;
    let isAtEnd = options.signal?.aborted === true;
    while (!isAtEnd) {
      isAtEnd = true;
      for await (const one of run.steps(settings, last.state)) {
        last.state = one.state;
        await keeper.take(one, settings);
        if (isFitted || gone() < fittedShare * seconds || one.report.step >= settings.totalSteps) continue;
        isFitted = true;
        if (isWithin(seconds, gone() + keeper.secondsPerStep() * (settings.totalSteps - keeper.step))) continue;
        isAtEnd = false;
        break;
      }
      if (!isAtEnd) await fit();
    }
    const end = await keeper.finish(last.state, settings);
    if (end.step < settings.totalSteps) throw stoppedError(run.trainer, folder.path, end);
    return { run: folder.path, totalSteps: settings.totalSteps, backend: backend.name, ...end, seconds: gone() };
  } catch (thrown) {
    if (!isCoordTokError(thrown) || thrown.code !== "not-finite") throw thrown;
    throw await keeper.diverged(thrown);
  }
}

/**
 * Takes the first steps, as many as are needed to measure the speed. Their learning rate is that of the warm-up, which does not
 * depend on the total number of steps.
 */
async function* measuringSteps<P extends TensorTree, S extends LoopSettings>(
  { settings, state, steps }: TrainingRun<P, S>,
  seconds: number,
  started: number,
): AsyncGenerator<AnyStep<P>, void, void> {
  const from = state?.step ?? 0;
  const provisional = { ...settings, totalSteps: from + Math.max(settings.totalSteps, 10 * measuredSteps) };
  for await (const one of steps(provisional, state)) {
    yield one;
    const taken = one.report.step - from;
    const late = performance.now() - started > measuredShare * seconds * 1000;
    if (taken >= measuredSteps || (taken >= 3 && late)) return;
  }
}

/** Creates the run folder, or opens that of a training resumed after `step`, and reports where later checkpoints were moved. */
async function openFolder(
  { path, resumed }: RunPlace<unknown>,
  step: number,
  { onNote, onWarning }: CommonOptions,
): Promise<RunFolder> {
  if (resumed === undefined) return createRunFolder(path);
  const { folder, abandoned, damagedMetrics } = await reopenRunFolder(path, step, resumed.lock);
  if (damagedMetrics !== undefined)
    onWarning?.(`Lines of the metrics cannot be read; as they were, they are now in ${damagedMetrics}.`);
  if (abandoned !== undefined)
    onNote?.(`Checkpoints after step ${step} are now in ${abandoned}; resume that folder to continue from them`);
  return folder;
}

function stoppedError(
  trainer: string,
  run: string,
  { step, checkpoint }: Pick<TrainingResult, "step" | "checkpoint">,
): CoordTokError {
  return new CoordTokError(
    "aborted",
    `Stopped after step ${step}; saved as ${checkpoint}. Resume the run folder to continue.`,
    { remedy: [trainer], options: { resume: run } },
  );
}

function budgetText(fitting: number, { totalSteps }: LoopSettings, secondsPerStep: number, seconds: number): string {
  const fit = `${secondsPerStep.toPrecision(2)} s per step: ${fitting} steps fit into ${durationText(seconds)}`;
  if (totalSteps === fitting) return fit;
  return `${fit}; ${totalSteps} are taken, in about ${durationText(totalSteps * secondsPerStep)}, because fewer show nothing`;
}

function versionsOf(backend: LoadedBackend): Readonly<Record<string, unknown>> {
  return {
    coordtok: ownVersion,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    backend: backend.name,
    device: backend.device,
    ...backend.versions,
  };
}

import { durationText } from "@coordtok/core/text";
import { CoordTokError, isCoordTokError, throwIfAborted, type TensorTree } from "@coordtok/core";
import { disposeTrainState, type LoopSettings, type TrainState, type TrainStep } from "@coordtok/core/train";
import type { CommonOptions } from "../model.js";
import { reopenRunFolder, type MetricsLine, type RunFolder } from "./run-folder.js";

/** One step of any training. */
export interface AnyStep<P extends TensorTree> {
  readonly state: TrainState<P>;
  readonly report: TrainStep & { readonly psnrDb?: number | undefined };
}

/** What a training run is given, whatever it trains. */
export interface TrainingRun<P extends TensorTree, S extends LoopSettings> {
  readonly settings: S;
  readonly state?: TrainState<P> | undefined;
  readonly folder: RunFolder;
  /** The steps with some settings from some state on; it ends after a step once the signal is aborted. */
  readonly steps: (settings: S, state: TrainState<P> | undefined) => AsyncGenerator<AnyStep<P>, void, void>;
  /** The bytes of a checkpoint. */
  readonly encode: (settings: S, state: TrainState<P>) => AsyncGenerator<Uint8Array, void>;
  /** A checkpoint after every so many steps. */
  readonly saveEvery: number;
  /** How many checkpoints are kept. */
  readonly keep: number;
  /** What is measured on the way: a PSNR in dB, or nothing when it was stopped. */
  readonly measure?:
    { readonly every: number; readonly of: (state: TrainState<P>) => Promise<number | undefined> } | undefined;
  /** What is shown on the way. */
  readonly preview?: { readonly every: number; readonly of: (state: TrainState<P>) => Promise<void> } | undefined;
  /** PSNR in dB of a loss, where that means something. */
  readonly psnrOf?: ((loss: number) => number) | undefined;
  /** Fixes the number of steps from the speed of the first ones. */
  readonly seconds?: number | undefined;
  /** Called once the number of steps is known to differ from the settings. */
  readonly onBudget?: (settings: S, secondsPerStep: number) => Promise<void>;
}

/** How a training run ended. */
export interface TrainingResult {
  /** Steps taken. */
  readonly step: number;
  /** The mean over the last steps, at most 20. */
  readonly loss: number;
  /** PSNR in dB that belongs to that loss; absent in stage 2. */
  readonly psnrDb: number | undefined;
  /** The last PSNR of the held-out clips in dB, where there are any. */
  readonly validationPsnrDb: number | undefined;
  /** The newest checkpoint. */
  readonly checkpoint: string;
  /** How long it took. */
  readonly seconds: number;
  /** Whether it was stopped before its last step. */
  readonly stopped: boolean;
}

/** Steps whose speed decides how many fit into a time budget, and the share of the budget they may take. */
const measuredSteps = 20;
const measuredShare = 0.15;
/** `metrics.jsonl` is written to after this many seconds at the latest. */
const flushSeconds = 5;

/**
 * Trains, and keeps the run folder up to date: metrics, checkpoints, curve. On abort it saves and returns with `stopped`.
 * @throws CoordTokError `not-finite` for a training that has diverged; the checkpoints before stay as they are.
 */
export async function runTraining<P extends TensorTree, S extends LoopSettings>(
  run: TrainingRun<P, S>,
  options: CommonOptions,
): Promise<TrainingResult> {
  const keeper = new Keeper(run, options);
  const started = performance.now();
  let { settings } = run;
  let state = run.state;
  try {
    if (run.seconds !== undefined) {
      // The learning rate of the first steps is that of the warm-up, which does not depend on how many steps there will be.
      const provisional = {
        ...settings,
        totalSteps: (state?.step ?? 0) + Math.max(settings.totalSteps, 10 * measuredSteps),
      };
      const from = state?.step ?? 0;
      const enough = (step: number): boolean =>
        step - from >= measuredSteps ||
        (step - from >= 3 && performance.now() - started > measuredShare * run.seconds! * 1000);
      for await (const one of run.steps(provisional, state)) {
        state = one.state;
        await keeper.take(one, undefined);
        if (enough(one.report.step)) break;
      }
      settings = { ...settings, totalSteps: stepsWithin(run.seconds, keeper, started) };
      await run.onBudget?.(settings, keeper.secondsPerStep());
    }
    if (options.signal?.aborted !== true)
      for await (const one of run.steps(settings, state)) {
        state = one.state;
        await keeper.take(one, settings);
      }
    return await keeper.finish(state, settings, (performance.now() - started) / 1000);
  } catch (thrown) {
    throw isCoordTokError(thrown) && thrown.code === "not-finite" ? await keeper.diverged(thrown) : thrown;
  } finally {
    if (state) disposeTrainState(state);
  }
}

function stepsWithin(seconds: number, keeper: { step: number; secondsPerStep: () => number }, started: number): number {
  const left = seconds - (performance.now() - started) / 1000;
  return keeper.step + Math.max(1, Math.floor(left / keeper.secondsPerStep()));
}

/** Writes down what a training does. */
class Keeper<P extends TensorTree, S extends LoopSettings> {
  step = 0;
  readonly #run: TrainingRun<P, S>;
  readonly #options: CommonOptions;
  #pending: MetricsLine[] = [];
  readonly #recent: MetricsLine[] = [];
  #flushedAt = performance.now();
  #validationPsnrDb: number | undefined;
  #savedStep = -1;
  #savedAs = "";

  constructor(run: TrainingRun<P, S>, options: CommonOptions) {
    this.#run = run;
    this.#options = options;
  }

  /** The median of the last steps; the very first ones are slower and do not count when there are others. */
  secondsPerStep(): number {
    const times = this.#recent.map(({ seconds }) => seconds).slice(this.#recent.length > 3 ? 2 : 0);
    return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 1;
  }

  async take({ state, report }: AnyStep<P>, settings: S | undefined): Promise<void> {
    const { saveEvery, measure, preview } = this.#run;
    this.step = report.step;
    const last = report.step === settings?.totalSteps;
    const measured = measure !== undefined && (last || report.step % measure.every === 0);
    if (measured) this.#validationPsnrDb = (await measure.of(state)) ?? this.#validationPsnrDb;
    const line: MetricsLine = { ...report, validationPsnrDb: measured ? this.#validationPsnrDb : undefined };
    this.#pending.push(line);
    this.#recent.push(line);
    if (this.#recent.length > 20) this.#recent.shift();
    if (performance.now() - this.#flushedAt > flushSeconds * 1000) await this.#flush();
    this.#options.onProgress?.({
      task: settings === undefined ? "measure the speed of training" : "train",
      done: report.step,
      total: settings?.totalSteps ?? measuredSteps,
      unit: "steps",
      detail: this.#detail(),
    });
    if (settings !== undefined && report.step % saveEvery === 0 && !last) {
      await this.#save(state, settings);
      await this.#run.folder.writeCurve();
    }
    if (preview !== undefined && (last || report.step % preview.every === 0)) await preview.of(state);
  }

  async finish(state: TrainState<P> | undefined, settings: S, seconds: number): Promise<TrainingResult> {
    if (state === undefined) throwIfAborted(this.#options.signal);
    const { loss, psnrDb } = this.#means();
    await this.#flush();
    await this.#save(state!, settings);
    await this.#run.folder.writeCurve();
    const stopped = state!.step < settings.totalSteps;
    const validationPsnrDb = this.#validationPsnrDb;
    return { step: state!.step, loss, psnrDb, validationPsnrDb, checkpoint: this.#savedAs, seconds, stopped };
  }

  /** What a training that has diverged ends with: its metrics are written, its weights are not. */
  async diverged(cause: CoordTokError): Promise<CoordTokError> {
    await this.#flush();
    await this.#run.folder.writeCurve();
    const last = this.#savedAs;
    const kept = last === "" ? "no checkpoint was saved" : `the last checkpoint, with finite weights, is ${last}`;
    return new CoordTokError(
      "not-finite",
      `The training has diverged after step ${this.step}, ${kept}; train with a lower learning rate.`,
      {
        cause,
        details: [cause.sentence],
        options: { learningRate: undefined, ...(last === "" ? {} : { resume: last }) },
      },
    );
  }

  #means(): { loss: number; psnrDb: number | undefined } {
    const loss = this.#recent.reduce((sum, line) => sum + line.loss, 0) / Math.max(1, this.#recent.length);
    return { loss, psnrDb: this.#run.psnrOf?.(loss) };
  }

  #detail(): string {
    const { loss, psnrDb } = this.#means();
    const held = this.#validationPsnrDb === undefined ? "" : `, held out ${this.#validationPsnrDb.toFixed(1)} dB`;
    return `loss ${loss.toPrecision(3)}${psnrDb === undefined ? "" : `, ${psnrDb.toFixed(1)} dB`}${held}`;
  }

  async #flush(): Promise<void> {
    const lines = this.#pending;
    this.#pending = [];
    this.#flushedAt = performance.now();
    if (lines.length > 0) await this.#run.folder.appendMetrics(lines);
  }

  async #save(state: TrainState<P>, settings: S): Promise<void> {
    if (state.step === this.#savedStep) return;
    await this.#flush();
    const content = this.#run.encode(settings, state);
    this.#savedAs = await this.#run.folder.writeCheckpoint(state.step, content, this.#run.keep);
    this.#savedStep = state.step;
  }
}

/**
 * Refuses to go on with a training that has taken all its steps.
 * @param minutes a budget, which decides the number of steps anew.
 * @throws CoordTokError `usage`.
 */
export function checkStepsLeft(step: number, { totalSteps }: LoopSettings, minutes: number | undefined): void {
  if (minutes === undefined && step >= totalSteps)
    throw new CoordTokError(
      "usage",
      `The training has taken ${step} steps, which is all of ${totalSteps}; go on with more by --steps, or by --minutes.`,
    );
}

/** Refuses a seed for a training that goes on: its draws do. @throws CoordTokError `usage`. */
export function checkSeed({
  resume,
  seed,
}: {
  readonly resume?: string | undefined;
  readonly seed?: number | undefined;
}): void {
  if (resume !== undefined && seed !== undefined)
    throw new CoordTokError(
      "usage",
      "--seed and --resume exclude each other: a resumed training goes on with its own random numbers.",
    );
}

/**
 * Opens the folder of a training that goes on after `step`, and says where checkpoints of later steps have gone.
 * @throws CoordTokError `file-write`.
 */
export async function reopenRun(path: string, step: number, { onNote }: CommonOptions): Promise<RunFolder> {
  const { folder, abandoned } = await reopenRunFolder(path, step);
  if (abandoned !== undefined)
    onNote?.(`Checkpoints after step ${step} are now in ${abandoned}; go on with them with --resume ${abandoned}`);
  return folder;
}

/** How a budget is announced. */
export function budgetText(settings: LoopSettings, secondsPerStep: number, seconds: number): string {
  return `${secondsPerStep.toPrecision(2)} s a step: ${settings.totalSteps} steps fit into ${durationText(seconds)}`;
}

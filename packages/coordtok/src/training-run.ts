import {
  clipFromRgb,
  isCoordTokError,
  rgbFromClip,
  throwIfAborted,
  type PerceptualLoss,
  type RgbClip,
} from "@coordtok/core";
import { disposeTrainState, type TrainState } from "@coordtok/core/train";
import { psnrOfRgb } from "@coordtok/metrics";
import { decode, encode, type TokenizerConfig, type TokenizerParams } from "@coordtok/tokenizer";
import {
  encodeTraining,
  trainTokenizer,
  type TokenizerTrainSettings,
  type TrainTokenizerStep,
} from "@coordtok/tokenizer/train";
import { disposeTriplane } from "@coordtok/triplane";
import type { CommonOptions } from "./model.js";
import type { MetricsLine, RunFolder } from "./run-folder.js";
import { durationText } from "./text.js";

/** What a training run is given; see `trainOnVideos`. */
export interface TrainingRun {
  readonly config: TokenizerConfig;
  readonly settings: TokenizerTrainSettings;
  readonly clips: readonly RgbClip[];
  readonly validation: readonly RgbClip[];
  readonly seed: number;
  /** What frames are compared by in stage 2. */
  readonly perceptual?: PerceptualLoss | undefined;
  readonly state?: TrainState<TokenizerParams> | undefined;
  readonly folder: RunFolder;
  /** A checkpoint after every so many steps. */
  readonly saveEvery: number;
  /** How many checkpoints are kept. */
  readonly keep: number;
  /** Held-out PSNR after every so many steps. */
  readonly validateEvery: number;
  /** Fixes the number of steps from the speed of the first ones. */
  readonly seconds?: number | undefined;
  /** Called once the number of steps is known to differ from the settings. */
  readonly onBudget?: (settings: TokenizerTrainSettings, secondsPerStep: number) => Promise<void>;
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
 */
export async function runTraining(run: TrainingRun, options: CommonOptions): Promise<TrainingResult> {
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
      for await (const one of steps(run, provisional, state, options)) {
        state = one.state;
        await keeper.take(one, undefined);
        if (enough(one.report.step)) break;
      }
      settings = { ...settings, totalSteps: stepsWithin(run.seconds, keeper, started) };
      await run.onBudget?.(settings, keeper.secondsPerStep());
    }
    if (options.signal?.aborted !== true)
      for await (const one of steps(run, settings, state, options)) {
        state = one.state;
        await keeper.take(one, settings);
      }
    return await keeper.finish(state, settings, (performance.now() - started) / 1000);
  } finally {
    if (state) disposeTrainState(state);
  }
}

function steps(
  run: TrainingRun,
  settings: TokenizerTrainSettings,
  state: TrainState<TokenizerParams> | undefined,
  { signal }: CommonOptions,
): AsyncGenerator<TrainTokenizerStep, void, void> {
  const { config, clips, seed, perceptual } = run;
  return trainTokenizer({
    config,
    clips,
    settings,
    seed,
    signal,
    ...(state === undefined ? {} : { state }),
    ...(perceptual === undefined ? {} : { perceptual }),
  });
}

function stepsWithin(seconds: number, keeper: Keeper, started: number): number {
  const left = seconds - (performance.now() - started) / 1000;
  return keeper.step + Math.max(1, Math.floor(left / keeper.secondsPerStep()));
}

/** Writes down what a training does. */
class Keeper {
  step = 0;
  readonly #run: TrainingRun;
  readonly #options: CommonOptions;
  #pending: MetricsLine[] = [];
  readonly #recent: MetricsLine[] = [];
  #flushedAt = performance.now();
  #validationPsnrDb: number | undefined;
  #savedStep = -1;
  #savedAs = "";

  constructor(run: TrainingRun, options: CommonOptions) {
    this.#run = run;
    this.#options = options;
  }

  /** The median of the last steps; the very first ones are slower and do not count when there are others. */
  secondsPerStep(): number {
    const times = this.#recent.map(({ seconds }) => seconds).slice(this.#recent.length > 3 ? 2 : 0);
    return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 1;
  }

  async take({ state, report }: TrainTokenizerStep, settings: TokenizerTrainSettings | undefined): Promise<void> {
    const { saveEvery, validateEvery } = this.#run;
    this.step = report.step;
    const last = report.step === settings?.totalSteps;
    const measured = this.#run.validation.length > 0 && (last || report.step % validateEvery === 0);
    if (measured) this.#validationPsnrDb = await this.#validate(state);
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
  }

  async finish(
    state: TrainState<TokenizerParams> | undefined,
    settings: TokenizerTrainSettings,
    seconds: number,
  ): Promise<TrainingResult> {
    if (state === undefined) throwIfAborted(this.#options.signal);
    const { loss, psnrDb } = this.#means();
    await this.#flush();
    await this.#save(state!, settings);
    await this.#run.folder.writeCurve();
    const stopped = state!.step < settings.totalSteps;
    const validationPsnrDb = this.#validationPsnrDb;
    return { step: state!.step, loss, psnrDb, validationPsnrDb, checkpoint: this.#savedAs, seconds, stopped };
  }

  #means(): { loss: number; psnrDb: number | undefined } {
    const loss = this.#recent.reduce((sum, line) => sum + line.loss, 0) / Math.max(1, this.#recent.length);
    return { loss, psnrDb: this.#run.settings.stage === 1 ? 10 * Math.log10(4 / loss) : undefined };
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

  async #save(state: TrainState<TokenizerParams>, settings: TokenizerTrainSettings): Promise<void> {
    if (state.step === this.#savedStep) return;
    await this.#flush();
    const content = encodeTraining({ config: this.#run.config, settings, state });
    this.#savedAs = await this.#run.folder.writeCheckpoint(state.step, content, this.#run.keep);
    this.#savedStep = state.step;
  }

  /** PSNR of the held-out clips with the moving average, their mean. A stop during it keeps the last figure. */
  async #validate(state: TrainState<TokenizerParams>): Promise<number | undefined> {
    const { config, validation } = this.#run;
    const figures: number[] = [];
    try {
      for (const clip of validation) figures.push(await heldOutPsnr(state.average, config, clip, this.#options.signal));
    } catch (thrown) {
      if (isCoordTokError(thrown) && thrown.code === "aborted") return this.#validationPsnrDb;
      throw thrown;
    }
    return figures.reduce((sum, figure) => sum + figure, 0) / figures.length;
  }
}

async function heldOutPsnr(
  params: TokenizerParams,
  config: TokenizerConfig,
  clip: RgbClip,
  signal: AbortSignal | undefined,
): Promise<number> {
  const tensors = clipFromRgb([clip]);
  const triplane = encode(params.encoder, config, tensors);
  tensors.frames.dispose();
  try {
    const times = Array.from({ length: clip.frameCount }, (_, i) => i);
    const decoded = await decode(params.decoder, config, triplane, { times, signal });
    const frames = await rgbFromClip(decoded);
    decoded.frames.dispose();
    return psnrOfRgb(clip, frames).clipDb;
  } finally {
    disposeTriplane(triplane);
  }
}

/** How a budget is announced. */
export function budgetText(settings: TokenizerTrainSettings, secondsPerStep: number, seconds: number): string {
  return `${secondsPerStep.toPrecision(2)} s a step: ${settings.totalSteps} steps fit into ${durationText(seconds)}`;
}

import { CoordTokError, throwIfAborted, type TensorTree } from "@coordtok/core";
import { listCheckpoints } from "@coordtok/core/node";
import type { LoopSettings, TrainState } from "@coordtok/core/train";
import { bestEffort } from "./best-effort.js";
import type { MetricsLine, RunFolder } from "./run-folder.js";
import type { TrainingOptions } from "./training-plan.js";
import type { AnyStep, TrainingResult, TrainingRun } from "./training-run.js";

/** The number of steps that the speed of a training is measured over, at most. */
export const measuredSteps = 20;
/** The longest time between two writes to `metrics.jsonl`, in seconds. */
const flushSeconds = 5;

/** Keeps a run folder up to date during a training. */
export class RunKeeper<P extends TensorTree, S extends LoopSettings> {
  /** Number of steps taken. */
  step = 0;
  readonly #run: TrainingRun<P, S>;
  readonly #folder: RunFolder;
  readonly #options: TrainingOptions<S>;
  #pending: MetricsLine[] = [];
  readonly #recent: MetricsLine[] = [];
  #flushedAt = performance.now();
  #validationPsnrDb: number | undefined;
  #timed = { seconds: 0, dataSeconds: 0 };
  #firstEpoch = true;
  #bestPsnrDb: number | undefined;
  readonly #draw: (picture: () => Promise<unknown>) => Promise<void>;
  #savedStep = -1;
  #savedAs = "";

  constructor(run: TrainingRun<P, S>, folder: RunFolder, options: TrainingOptions<S>) {
    this.#run = run;
    this.#folder = folder;
    this.#options = options;
    this.#draw = bestEffort(options);
  }

  /** The median of the last steps; the very first ones are slower and do not count if there are others. */
  secondsPerStep(): number {
    const times = this.#recent.map(({ seconds }) => seconds).slice(this.#recent.length > 3 ? 2 : 0);
    return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 1;
  }

  /** Records a step. @param settings those of the training, once the number of steps is known. */
  async take({ state, report }: AnyStep<P>, settings: S | undefined): Promise<void> {
    const { measure, preview } = this.#run;
    const { saveEvery = 500 } = this.#options;
    this.step = report.step;
    const last = report.step === settings?.totalSteps;
    const measured = measure !== undefined && (last || report.step % measure.every === 0);
    if (measured && this.#bestPsnrDb === undefined)
      this.#bestPsnrDb = (measure.fresh === true ? undefined : await this.#folder.bestPsnrDb()) ?? -Infinity;
    const measuredDb = measured ? await measure.of(state) : undefined;
    this.#validationPsnrDb = measuredDb ?? this.#validationPsnrDb;
    const line: MetricsLine = { ...report, validationPsnrDb: measuredDb };
    this.#pending.push(line);
    this.#time(report);
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
      await this.#draw(() => this.#folder.writeCurve());
    }
    if (measuredDb !== undefined) await this.#keepBest(measuredDb, state, settings);
    const previewed = preview !== undefined && (last || report.step % preview.every === 0);
    if (previewed) await this.#draw(() => preview.of(state));
    if (measured || previewed) {
      await this.#flush();
      await this.#draw(() => this.#folder.appendPreview(report.step));
    }
  }

  /** Saves the last state. @throws CoordTokError `aborted` when there is none. */
  async finish(
    state: TrainState<P> | undefined,
    settings: S,
  ): Promise<Pick<TrainingResult, "step" | "loss" | "psnrDb" | "validationPsnrDb" | "dataShare" | "checkpoint">> {
    if (state === undefined) throwIfAborted(this.#options.signal);
    const { loss, psnrDb } = this.#means();
    await this.#flush();
    await this.#save(state!, settings);
    await this.#draw(() => this.#folder.writeCurve());
    const validationPsnrDb = this.#validationPsnrDb;
    const dataShare = this.#timed.dataSeconds / Math.max(1e-9, this.#timed.seconds);
    return { step: state!.step, loss, psnrDb, validationPsnrDb, dataShare, checkpoint: this.#savedAs };
  }

  /** Writes the metrics of a training that has diverged, but not its weights, and returns the error to throw. */
  async diverged(cause: CoordTokError): Promise<CoordTokError> {
    await this.#flush();
    await this.#draw(() => this.#folder.writeCurve());
    const what = `The training has diverged after step ${this.step}`;
    const details = [cause.sentence];
    const last = (await listCheckpoints(this.#folder.path)).at(-1)?.path;
    if (last === undefined)
      return new CoordTokError(
        "not-finite",
        `${what}, before its first checkpoint; train with a lower learning rate.`,
        {
          cause,
          details,
          options: { learningRate: undefined },
        },
      );
    return new CoordTokError("not-finite", `${what}; resume from ${last} with a lower learning rate.`, {
      cause,
      details,
      options: { learningRate: undefined, resume: last },
    });
  }

  /** Saves a state that measures better than all before. */
  async #keepBest(psnrDb: number, state: TrainState<P>, settings: S = this.#run.settings): Promise<void> {
    if (psnrDb <= this.#bestPsnrDb!) return;
    this.#bestPsnrDb = psnrDb;
    await this.#folder.writeBest(this.#run.encode(settings, state));
  }

  #time({ step, seconds, dataSeconds }: AnyStep<P>["report"]): void {
    const { stepsPerEpoch = Infinity } = this.#run;
    if (this.#firstEpoch && step > Math.ceil(stepsPerEpoch)) {
      this.#firstEpoch = false;
      this.#timed = { seconds: 0, dataSeconds: 0 };
    }
    this.#timed.seconds += seconds;
    this.#timed.dataSeconds += dataSeconds;
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
    await this.#folder.check();
    const lines = this.#pending;
    this.#pending = [];
    this.#flushedAt = performance.now();
    if (lines.length > 0) await this.#folder.appendMetrics(lines);
  }

  async #save(state: TrainState<P>, settings: S): Promise<void> {
    if (state.step === this.#savedStep) return;
    await this.#flush();
    const content = this.#run.encode(settings, state);
    this.#savedAs = await this.#folder.writeCheckpoint(state.step, content, this.#options.keep ?? 3);
    this.#savedStep = state.step;
  }
}

import type { LoadedBackend } from "@coordtok/backend";
import { throwIfAborted, type TensorTree } from "@coordtok/core";
import { disposeTrainState, type LoopSettings, type TrainState } from "@coordtok/core/train";
import type { RunPlace, TrainingOptions } from "./training-plan.js";
import type { TrainingRun } from "./training-run.js";

/** What a training will need, found by taking its first steps without keeping anything. */
export interface TrainingForecast {
  /** The backend that was used, for example `tensorflow` or `wasm`. */
  readonly backend: string;
  /** The estimated memory of a step and of reading videos meanwhile, in bytes. */
  readonly memoryBytes: number | undefined;
  /** The memory that the backend has left, in bytes, as far as that is known. */
  readonly freeBytes: number | undefined;
  /** The size of all files that the training reads, in bytes. */
  readonly sourceBytes: number | undefined;
  /** The time of a step in seconds, without waiting for data, as from the second epoch on. */
  readonly secondsPerStep: number;
  /** How long the first step waited for its data, which are decoded for it, in seconds. */
  readonly firstDataSeconds: number;
  /** The number of steps of the training; for a time budget, those that fit. */
  readonly totalSteps: number;
  /** The number of times that all videos are seen. */
  readonly epochs: number | undefined;
  /** The time of the whole training in seconds, without decoding and measuring. */
  readonly seconds: number;
}

/** The steps that are taken; the first ones are slower and count only if there are no others. */
const takenSteps = 4;
const slowSteps = 2;

/** Takes the first steps of a training and forgets them. Nothing is written. @throws CoordTokError `aborted`, and what the steps throw. */
export async function forecastRun<P extends TensorTree, S extends LoopSettings>(
  run: TrainingRun<P, S>,
  _place: RunPlace<unknown>,
  backend: LoadedBackend,
  { minutes, signal, onProgress }: TrainingOptions<S>,
): Promise<TrainingForecast> {
  const freeBytes = backend.freeBytes();
  const times: number[] = [];
  let firstDataSeconds = 0;
  let last: TrainState<P> | undefined = run.state;
  const from = run.state?.step ?? 0;
  try {
    const settings = { ...run.settings, totalSteps: Math.max(run.settings.totalSteps, from + takenSteps) };
    for await (const { state, report } of run.steps(settings, run.state)) {
      last = state;
      if (times.length === 0) firstDataSeconds = report.dataSeconds;
      times.push(report.seconds - report.dataSeconds);
      onProgress?.({ task: "measure the speed of training", done: times.length, total: takenSteps, unit: "steps" });
      if (times.length >= takenSteps) break;
    }
  } finally {
    if (last !== undefined) disposeTrainState(last);
  }
  throwIfAborted(signal);
  const counted = times.slice(times.length > slowSteps ? slowSteps : 0).sort((a, b) => a - b);
  const secondsPerStep = counted[Math.floor((counted.length - 1) / 2)]!;
  const fitting = minutes === undefined ? undefined : Math.max(1, Math.floor((minutes * 60) / secondsPerStep));
  const totalSteps = fitting ?? run.settings.totalSteps;
  return {
    backend: backend.name,
    memoryBytes: run.memoryBytes,
    freeBytes,
    sourceBytes: run.sourceBytes,
    secondsPerStep,
    firstDataSeconds,
    totalSteps,
    epochs: run.stepsPerEpoch === undefined ? undefined : totalSteps / run.stepsPerEpoch,
    seconds: (totalSteps - from) * secondsPerStep,
  };
}

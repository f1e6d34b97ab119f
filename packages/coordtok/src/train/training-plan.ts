import { checkInteger, CoordTokError, type OptionNames, type TensorTree } from "@coordtok/core";
import { shownJson } from "@coordtok/core/text";
import { openFileSource, resolveCheckpoint, type FileSource } from "@coordtok/core/node";
import {
  disposeTrainState,
  withChanges,
  type LoopSettings,
  type StoredTraining,
  type TrainState,
} from "@coordtok/core/train";
import { commonOptionNames, type CommonOptions } from "../model.js";
import { readRunConfig, refuseTakenRun, runFolderOf } from "./run-folder.js";

/** The options that every training has. */
export interface TrainingOptions<Settings extends LoopSettings> extends CommonOptions {
  /** The run folder to create (default: `runs/` with the date and time). Not with `resume`. */
  readonly out?: string | undefined;
  /** The settings that differ from `trainDefaults`, or from those of the training to resume. */
  readonly settings?: Partial<Settings> | undefined;
  /** A training time in minutes, instead of a number of steps; the speed of the first steps determines their number. */
  readonly minutes?: number | undefined;
  /** The seed of the parameters and all draws (default 0). Not with `resume`. */
  readonly seed?: number | undefined;
  /** Number of steps between checkpoints (default 500). */
  readonly saveEvery?: number | undefined;
  /** Number of checkpoints to keep (default 3). */
  readonly keep?: number | undefined;
  /** A run folder, or a checkpoint in one, to resume. */
  readonly resume?: string | undefined;
}

/** The names of {@link TrainingOptions}. */
export const trainingOptionNames: OptionNames<TrainingOptions<LoopSettings>> = {
  ...commonOptionNames,
  out: true,
  settings: true,
  minutes: true,
  seed: true,
  saveEvery: true,
  keep: true,
  resume: true,
};

/** A training to resume: its checkpoint, and the content of `config.json` of its run folder. */
export interface Resumed<RunRecord> {
  readonly checkpoint: string;
  readonly record: RunRecord;
}

/** The folder of a run, and the training in it to resume, if any. */
export interface RunPlace<RunRecord> {
  readonly path: string;
  readonly resumed: Resumed<RunRecord> | undefined;
}

/**
 * Finds the folder of a training: that of the training to resume, otherwise the requested one.
 * @param parse checks and types the content of `config.json`.
 * @throws CoordTokError `file-exists` when the folder of a new training holds one, `usage` for a seed with a resumed training, `checkpoint` when there is no training to resume.
 */
export async function findRun<RunRecord>(
  options: TrainingOptions<LoopSettings>,
  parse: (stored: object) => RunRecord,
): Promise<RunPlace<RunRecord>> {
  const { resume, seed, out } = options;
  if (resume === undefined) {
    const path = out ?? defaultRunName();
    await refuseTakenRun(path);
    return { path, resumed: undefined };
  }
  if (seed !== undefined)
    throw new CoordTokError("usage", "A resumed training continues with its own random numbers; leave the seed out.", {
      options: { seed: undefined },
    });
  const checkpoint = await resolveCheckpoint(resume);
  const path = checkpoint === resume ? await runFolderOf(checkpoint) : resume;
  return { path, resumed: { checkpoint, record: await readRunConfig(path, parse) } };
}

/** The name of a run folder, for example `runs/2026-11-24-10-15-30`. */
function defaultRunName(): string {
  return `runs/${new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-")}`;
}

/** Throws `config` unless the settings of `config.json` are a group with these whole numbers. */
export function checkSettings(value: unknown, counts: readonly string[]): void {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new CoordTokError("config", `Expected settings to be a group, got ${shownJson(value)}.`);
  for (const name of counts) checkInteger((value as Record<string, unknown>)[name], `settings.${name}`, 1);
}

/** Throws `config` unless a part of `config.json` is a list of texts. */
export function checkTexts(value: unknown, name: string): void {
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === "string"))
    throw new CoordTokError("config", `Expected ${name} to be texts, got ${shownJson(value)}.`);
}

/**
 * Reads the training to resume, with its changed settings.
 * @param read reads a checkpoint of its kind.
 * @param check throws when the training cannot continue with other settings.
 * @throws CoordTokError `usage` when all steps have been taken, and the errors of `read` and `check`; then nothing stays in memory.
 */
export async function resumeTraining<Config, Settings extends LoopSettings, P extends TensorTree>(
  checkpoint: string,
  read: (
    source: FileSource,
    options: { readonly signal?: AbortSignal | undefined },
  ) => Promise<StoredTraining<Config, Settings, P>>,
  options: TrainingOptions<Settings>,
  check?: (before: Settings, now: Settings) => void,
): Promise<StoredTraining<Config, Settings, P>> {
  const { signal, minutes, onNote } = options;
  const source = await openFileSource(checkpoint);
  try {
    const { config, settings: before, state } = await read(source, { signal });
    const settings = withChanges(before, options.settings);
    try {
      checkSameOptimizer(before, settings);
      check?.(before, settings);
      if (minutes === undefined) checkStepsLeft(state.step, settings);
    } catch (thrown) {
      disposeTrainState(state);
      throw thrown;
    }
    onNote?.(`Resuming after step ${state.step} of ${settings.totalSteps}`);
    return { config, settings, state };
  } finally {
    await source.close();
  }
}

/** The state of an optimizer is of no use to another. @throws CoordTokError `usage`. */
function checkSameOptimizer(before: LoopSettings, now: LoopSettings): void {
  const [was, is] = [before.optimizer ?? "adamw", now.optimizer ?? "adamw"];
  if (was !== is)
    throw new CoordTokError(
      "usage",
      `The training uses the optimizer ${was} and cannot continue with ${is}; leave this option out or start a new training.`,
      { options: { optimizer: undefined } },
    );
}

function checkStepsLeft(step: number, { totalSteps }: LoopSettings): void {
  if (step >= totalSteps)
    throw new CoordTokError(
      "usage",
      `The training has taken all of its ${totalSteps} steps (it is at step ${step}); ask for more steps or minutes to continue.`,
      { options: { totalSteps: undefined, minutes: undefined } },
    );
}

/**
 * Makes a plan that frees its state when it is disposed of. If a training has taken ownership and freed the state before, freeing
 * it again does no harm.
 */
export function disposable<Plan extends { readonly state?: TrainState<TensorTree> | undefined }>(
  plan: Plan,
): Plan & Disposable {
  return {
    ...plan,
    [Symbol.dispose]: () => {
      if (plan.state !== undefined) disposeTrainState(plan.state);
    },
  };
}

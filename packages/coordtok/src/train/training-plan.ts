import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { isDeepStrictEqual } from "node:util";
import {
  checkInteger,
  CoordTokError,
  isCoordTokError,
  messageOf,
  type OptionNames,
  type TensorTree,
} from "@coordtok/core";
import {
  fileReadError,
  listCheckpoints,
  openFileSource,
  resolveCheckpoint,
  type FileSource,
  type OpenFolder,
} from "@coordtok/core/node";
import { jsonText, shownJson } from "@coordtok/core/text";
import {
  disposeTrainState,
  withChanges,
  type LoopSettings,
  type StoredTraining,
  type TrainState,
} from "@coordtok/core/train";
import { commonOptionNames, type CommonOptions } from "../model.js";
import { readRunConfig, refuseTakenRun, runFolderOf } from "./run-config.js";
import { lockRunFolder } from "./run-folder.js";

/** The options that every training has. */
export interface TrainingOptions<Settings extends LoopSettings> extends CommonOptions {
  /** The run folder to create (default: `runs/` with the date and time). Not with `resume`. */
  readonly out?: string | undefined;
  /** The settings that differ from `trainDefaults`, or from those of the training to resume. */
  readonly settings?: Partial<Settings> | undefined;
  /** A training time in minutes, instead of a number of steps; the speed of the first steps determines their number. */
  readonly minutes?: number | undefined;
  /** With `minutes`: the number of steps that are taken even if they take longer, at least 1 (default 1). */
  readonly leastSteps?: number | undefined;
  /** The seed of the parameters and all draws (default 0). Not with `resume`. */
  readonly seed?: number | undefined;
  /** Number of steps between checkpoints (default 500). */
  readonly saveEvery?: number | undefined;
  /** Number of checkpoints to keep (default 3). */
  readonly keep?: number | undefined;
  /** A run folder, or a checkpoint in one, to resume; a run that was stopped before its first checkpoint begins again. */
  readonly resume?: string | undefined;
  /** With `resume`: starts over where no checkpoint can be read, and replaces a `config.json` of another training (default false). */
  readonly repair?: boolean | undefined;
}

/** The names of {@link TrainingOptions}. */
export const trainingOptionNames: OptionNames<TrainingOptions<LoopSettings>> = {
  ...commonOptionNames,
  out: true,
  settings: true,
  minutes: true,
  leastSteps: true,
  seed: true,
  saveEvery: true,
  keep: true,
  resume: true,
  repair: true,
};

/** A training to resume: its checkpoints, and the content of `config.json` of its run folder. */
export interface Resumed<RunRecord> {
  /** The checkpoints to resume from, the best first; without any, the training starts from its beginning. */
  readonly checkpoints: readonly string[];
  readonly record: RunRecord;
  /** The locked run folder. */
  readonly lock: OpenFolder;
}

/** The folder of a run, and the training in it to resume, if any, whose lock is released when this is disposed of. */
export interface RunPlace<RunRecord> extends AsyncDisposable {
  readonly path: string;
  readonly resumed: Resumed<RunRecord> | undefined;
}

/**
 * Finds the folder of a training: that of the training to resume, which is locked, otherwise the requested one.
 * @param parse checks and types the content of `config.json`.
 * @throws CoordTokError `file-exists` when the folder of a new training holds one, or another run trains there, `usage` for a seed with a
 * resumed training, `checkpoint` when there is no training to resume.
 */
export async function findRun<RunRecord extends object>(
  options: TrainingOptions<LoopSettings>,
  parse: (stored: object) => RunRecord,
): Promise<RunPlace<RunRecord>> {
  const { resume, seed, out } = options;
  if (resume === undefined) {
    const path = out ?? defaultRunName();
    await refuseTakenRun(path);
    return { path, resumed: undefined, [Symbol.asyncDispose]: async () => undefined };
  }
  if (seed !== undefined)
    throw new CoordTokError("usage", "A resumed training continues with its own random numbers; leave the seed out.", {
      options: { seed: undefined },
    });
  const facts = await stat(resume).catch((thrown: unknown) => {
    throw fileReadError(thrown, resume);
  });
  const given = facts.isDirectory() ? undefined : await resolveCheckpoint(resume);
  const path = given === undefined ? resume : await runFolderOf(given);
  // What is no training is not marked as one.
  await readRunConfig(path, parse, { repair: true });
  const lock = await lockRunFolder(path);
  try {
    const { repair, onWarning } = options;
    const record = await readRunConfig(path, parse, { repair, onWarning });
    const all = (await listCheckpoints(path)).map((checkpoint) => checkpoint.path).reverse();
    const checkpoints = given === undefined ? all : [given];
    return { path, resumed: { checkpoints, record, lock }, [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose]() };
  } catch (thrown) {
    await lock[Symbol.asyncDispose]();
    throw thrown;
  }
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

/** How {@link resumeTraining} reads a training of its kind. */
export interface ResumedKind<Config, Settings, P extends TensorTree> {
  /** Reads a checkpoint. */
  readonly read: (
    source: FileSource,
    options: { readonly signal?: AbortSignal | undefined },
  ) => Promise<StoredTraining<Config, Settings, P>>;
  /** The configuration that its `config.json` records. */
  readonly config: Config;
  /** Throws when the training cannot continue with other settings. */
  readonly check?: (before: Settings, now: Settings) => void;
}

/**
 * Reads the training to resume, with its changed settings, from the first of its checkpoints that can be read.
 * @returns `undefined` for a training that starts from its beginning.
 * @throws CoordTokError `usage` when all steps have been taken, `checkpoint` when none of its checkpoints can be read, and the errors of
 * `check`; then nothing stays in memory.
 */
export async function resumeTraining<Config, Settings extends LoopSettings, P extends TensorTree>(
  { checkpoints }: Pick<Resumed<unknown>, "checkpoints">,
  { read, config, check }: ResumedKind<Config, Settings, P>,
  options: TrainingOptions<Settings>,
): Promise<StoredTraining<Config, Settings, P> | undefined> {
  const { signal, minutes, onNote, onWarning, repair } = options;
  let failure: CoordTokError | undefined;
  for (const checkpoint of checkpoints) {
    let stored: StoredTraining<Config, Settings, P>;
    try {
      stored = await readCheckpoint(checkpoint, read, config, signal);
    } catch (thrown) {
      if (!isCoordTokError(thrown) || !damage.has(thrown.code)) throw thrown;
      failure ??= thrown;
      onWarning?.(`"${checkpoint}" cannot be resumed: ${messageOf(thrown)}`);
      continue;
    }
    const { settings: before, state } = stored;
    try {
      const settings = withChanges(before, options.settings);
      checkSameOptimizer(before, settings);
      check?.(before, settings);
      if (minutes === undefined) checkStepsLeft(state.step, settings);
      onNote?.(`Resuming after step ${state.step} of ${settings.totalSteps}`);
      return { config, settings, state };
    } catch (thrown) {
      disposeTrainState(state);
      throw thrown;
    }
  }
  if (failure !== undefined && repair !== true)
    throw new CoordTokError(
      "checkpoint",
      `None of the checkpoints of this training can be read; the newest: ${failure.sentence} Put a good one there, or start over from its configuration by repairing the run.`,
      { cause: failure, options: { repair: true } },
    );
  onNote?.("There is no checkpoint to resume from: the training starts from its beginning.");
  return undefined;
}

/** The errors of a file that is damaged or not what it should be. */
const damage: ReadonlySet<string> = new Set([
  "checkpoint",
  "config",
  "file-format",
  "file-read",
  "not-finite",
  "shape",
]);

/** @throws CoordTokError `checkpoint` for that of another training. */
async function readCheckpoint<Config, Settings, P extends TensorTree>(
  path: string,
  read: ResumedKind<Config, Settings, P>["read"],
  config: Config,
  signal: AbortSignal | undefined,
): Promise<StoredTraining<Config, Settings, P>> {
  const source = await openFileSource(path);
  try {
    const stored = await read(source, { signal });
    const isOwn = isDeepStrictEqual(plain(stored.config), plain(config));
    const named = /^step-(\d+)\./.exec(basename(path))?.[1];
    if (isOwn && (named === undefined || Number(named) === stored.state.step)) return stored;
    disposeTrainState(stored.state);
    if (isOwn) throw new CoordTokError("checkpoint", `"${path}" holds step ${stored.state.step}.`);
    throw new CoordTokError("checkpoint", `"${path}" belongs to a training with another configuration.`);
  } finally {
    await source.close();
  }
}

/** As it comes back from a file. */
function plain(value: unknown): unknown {
  return JSON.parse(jsonText(value));
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

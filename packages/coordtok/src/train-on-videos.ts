import { resolve } from "node:path";
import { CoordTokError } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";
import type { LoadedBackend } from "@coordtok/backend";
import type { TokenizerConfig } from "@coordtok/tokenizer";
import {
  readTraining,
  trainDefaults,
  type SavedTraining,
  type TokenizerTrainSettings,
} from "@coordtok/tokenizer/train";
import { checkMemory, prepareBackend, resolveCheckpoint, type CommonOptions } from "./model.js";
import { createRunFolder, readRunConfig, reopenRunFolder, runFolderOf, type RunConfig } from "./run-folder.js";
import { readSourceClip } from "./source-clip.js";
import { countText } from "./text.js";
import { budgetText, runTraining, type TrainingResult } from "./training-run.js";
import { findVideos, readTrainingClips } from "./training-videos.js";
import { ownVersion } from "./versions.js";

/** Options of {@link trainOnVideos}. */
export interface TrainOnVideosOptions extends CommonOptions {
  /** Form and size of the tokenizer; `preset` and `overrideConfig` of `@coordtok/tokenizer` make one. Not with `resume`. */
  readonly config?: TokenizerConfig | undefined;
  /** The run folder to make (default `runs/` and the date and time). Not with `resume`. */
  readonly out?: string | undefined;
  /** What differs from `trainDefaults`. */
  readonly settings?: Partial<TokenizerTrainSettings> | undefined;
  /** Instead of a number of steps a time: the speed of the first steps decides how many there will be. */
  readonly minutes?: number | undefined;
  /** Of the parameters and all draws (default 0). */
  readonly seed?: number | undefined;
  /** Held-out videos whose PSNR is measured on the way. */
  readonly validation?: readonly string[] | undefined;
  /** Steps between two such measurements (default 100). */
  readonly validateEvery?: number | undefined;
  /** Steps between two checkpoints (default 500). */
  readonly saveEvery?: number | undefined;
  /** How many checkpoints are kept (default 3). */
  readonly keep?: number | undefined;
  /** A run folder, or a checkpoint in one, to go on with. */
  readonly resume?: string | undefined;
}

/** What {@link trainOnVideos} did. */
export interface TrainReport extends Omit<TrainingResult, "stopped"> {
  /** The run folder. */
  readonly run: string;
  /** How many clips were trained on. */
  readonly clips: number;
  /** Videos that could not be read, and why. */
  readonly skipped: readonly { readonly video: string; readonly reason: string }[];
  /** Steps that the training was to take. */
  readonly totalSteps: number;
  /** The backend that computed, such as `tensorflow` or `wasm`. */
  readonly backend: string;
}

/**
 * Trains a tokenizer on videos and keeps everything about it in a run folder: configuration, versions, metrics, checkpoints and the
 * curve. Stopping it saves a checkpoint first.
 * @param paths files and folders; with `resume` they default to those of the run.
 * @throws CoordTokError `aborted` with how to go on; and for videos, settings or folders that cannot be used.
 */
export async function trainOnVideos(paths: readonly string[], options: TrainOnVideosOptions): Promise<TrainReport> {
  const resumed = options.resume === undefined ? undefined : await openResumed(options.resume);
  const videos = resumed && paths.length === 0 ? resumed.run.videos : await findVideos(paths);
  const backend = await prepareBackend("training", options);
  options.onNote?.(`${countText(videos.length, "video")} found`);
  const plan = resumed ? await resumePlan(resumed, options) : newPlan(options);
  const { batchSize, pointsPerClip } = plan.settings;
  if (plan.state === undefined)
    checkMemory(plan.config, { task: "train", clips: batchSize, points: pointsPerClip }, backend);
  const { clips, videos: used, skipped } = await readTrainingClips(videos, plan.config, options);
  const validation: Awaited<ReturnType<typeof readSourceClip>>[] = [];
  for (const path of plan.validation)
    validation.push(await readSourceClip(path, plan.config, { ...options, onProgress: undefined }));
  const folder = resumed
    ? await reopenRunFolder(resumed.folder, plan.state!.step)
    : await createRunFolder(options.out ?? defaultRunName());
  const record: RunConfig = { ...plan.record, videos: used };
  await folder.writeConfig(record, versionsOf(backend));
  let { settings } = plan;
  const seconds = options.minutes === undefined ? undefined : options.minutes * 60;
  const result = await runTraining(
    {
      ...plan,
      clips,
      validation: validation.map(({ clip }) => clip),
      folder,
      seconds,
      saveEvery: options.saveEvery ?? 500,
      keep: options.keep ?? 3,
      validateEvery: options.validateEvery ?? 100,
      onBudget: async (fixed, secondsPerStep) => {
        settings = fixed;
        options.onNote?.(budgetText(fixed, secondsPerStep, seconds!));
        const budget = { minutes: options.minutes!, secondsPerStep };
        await folder.writeConfig({ ...record, settings: fixed, budget }, versionsOf(backend));
      },
    },
    options,
  );
  if (result.stopped) throw stoppedError(folder.path, result);
  const { stopped, ...rest } = result;
  const totalSteps = settings.totalSteps;
  return { run: folder.path, clips: clips.length, skipped, totalSteps, backend: backend.name, ...rest };
}

function stoppedError(run: string, { step, checkpoint }: TrainingResult): CoordTokError {
  return new CoordTokError(
    "aborted",
    `Stopped after step ${step}; saved as ${checkpoint}. Go on with: coordtok train-tokenizer --resume ${run}`,
  );
}

interface Plan {
  readonly config: TokenizerConfig;
  readonly settings: TokenizerTrainSettings;
  readonly seed: number;
  readonly validation: readonly string[];
  readonly state?: SavedTraining["state"];
  readonly record: Omit<RunConfig, "videos">;
}

function newPlan(options: TrainOnVideosOptions): Plan {
  const { config, seed = 0 } = options;
  if (config === undefined) throw new CoordTokError("config", "Expected a configuration for a new training.");
  const settings = { ...trainDefaults, ...options.settings };
  const validation = (options.validation ?? []).map((path) => resolve(path));
  return { config, settings, seed, validation, record: { config, settings, seed, validation } };
}

interface Resumed {
  readonly folder: string;
  readonly checkpoint: string;
  readonly run: RunConfig;
}

async function openResumed(path: string): Promise<Resumed> {
  const checkpoint = await resolveCheckpoint(path);
  const folder = checkpoint === path ? await runFolderOf(checkpoint) : path;
  return { folder, checkpoint, run: await readRunConfig(folder) };
}

async function resumePlan({ checkpoint, run }: Resumed, options: TrainOnVideosOptions): Promise<Plan> {
  const source = await openFileSource(checkpoint);
  try {
    const saved = await readTraining(source, { signal: options.signal });
    const settings = { ...saved.settings, ...options.settings };
    const validation = options.validation?.map((path) => resolve(path)) ?? run.validation;
    options.onNote?.(`Going on after step ${saved.state.step} of ${settings.totalSteps}`);
    const { config, state } = saved;
    const { seed } = run;
    return { config, settings, seed, validation, state, record: { ...run, settings, validation } };
  } finally {
    await source.close();
  }
}

/** `runs/2026-11-24-10-15-30`. */
function defaultRunName(): string {
  return `runs/${new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-")}`;
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

import { findVideos } from "@coordtok/video/node";
import { countText } from "@coordtok/core/text";
import { loadModel } from "@coordtok/tokenizer/node";
import { basename, resolve } from "node:path";
import { CoordTokError, type PerceptualLoss, type RgbClip } from "@coordtok/core";
import { openFileSource, resolveCheckpoint } from "@coordtok/core/node";
import { type LoadedBackend, prepareBackend } from "@coordtok/backend";
import { disposeTrainState, initialTrainState, optimizerOf } from "@coordtok/core/train";
import { perceptualLoss, type LpipsWeightsName } from "@coordtok/metrics";
import { disposeLpipsParams } from "@coordtok/metrics/networks";
import { loadLpips, defaultWeightsFolder } from "@coordtok/metrics/node";
import type { TokenizerConfig, TokenizerParams } from "@coordtok/tokenizer";
import {
  encodeTraining,
  psnrOfError,
  readTraining,
  trainDefaults,
  trainTokenizer,
  type SavedTraining,
  type TokenizerTrainSettings,
} from "@coordtok/tokenizer/train";
import { heldOutPsnr } from "./held-out.js";
import { checkMemory, type CommonOptions } from "../model.js";
import { createRunFolder, readRunConfig, runFolderOf, type PerceptualChoice, type RunConfig } from "./run-folder.js";
import { readSourceClip } from "../clip/source-clip.js";
import {
  budgetText,
  checkSeed,
  checkStepsLeft,
  reopenRun,
  runTraining,
  type TrainingResult,
  type TrainingRun,
} from "./training-run.js";
import { readTrainingClips } from "./training-videos.js";
import { ownVersion } from "../inspect/versions.js";

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
  /** Of the parameters and all draws (default 0). Not with `resume`. */
  readonly seed?: number | undefined;
  /** Held-out videos whose PSNR is measured on the way. */
  readonly validation?: readonly string[] | undefined;
  /** Steps between two such measurements (default 100). */
  readonly validateEvery?: number | undefined;
  /** Steps between two checkpoints (default 500). */
  readonly saveEvery?: number | undefined;
  /** How many checkpoints are kept (default 3). */
  readonly keep?: number | undefined;
  /** Begin with the weights of this checkpoint or run folder, whose configuration counts. Not with `config` or `resume`. */
  readonly from?: string | undefined;
  /** The network of LPIPS in stage 2, which needs one (default with `resume`: the run's). */
  readonly lpips?: LpipsWeightsName | undefined;
  /** Where the files of LPIPS lie, by their published names (default: the run's, else `weights`). */
  readonly weights?: string | undefined;
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
  checkSeed(options);
  const resumed = options.resume === undefined ? undefined : await openResumed(options.resume);
  const videos = resumed && paths.length === 0 ? resumed.run.videos : await findVideos(paths);
  const backend = await prepareBackend("training", options);
  options.onNote?.(`${countText(videos.length, "video")} found`);
  const plan = resumed ? await resumePlan(resumed, options, backend) : await newPlan(options, backend);
  using perceptual = await loadPerceptual(plan.record.perceptual, options);
  const { clips, videos: used, skipped } = await readTrainingClips(videos, plan.config, options);
  const validation: Awaited<ReturnType<typeof readSourceClip>>[] = [];
  for (const path of plan.validation)
    validation.push(await readSourceClip(path, plan.config, { ...options, onProgress: undefined }));
  const folder = resumed
    ? await reopenRun(resumed.folder, plan.state!.step, options)
    : await createRunFolder(options.out ?? defaultRunName());
  const record: RunConfig = { ...plan.record, videos: used };
  await folder.writeConfig(record, versionsOf(backend));
  let { settings } = plan;
  const seconds = options.minutes === undefined ? undefined : options.minutes * 60;
  const result = await runTraining(
    {
      ...tokenizerRun(plan, clips, perceptual?.loss, options.signal),
      measure:
        validation.length === 0
          ? undefined
          : {
              every: options.validateEvery ?? 100,
              of: ({ average }) =>
                heldOutPsnr(
                  average,
                  plan.config,
                  validation.map(({ clip }) => clip),
                  options.signal,
                ),
            },
      folder,
      seconds,
      saveEvery: options.saveEvery ?? 500,
      keep: options.keep ?? 3,
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

/** What a run needs to know of the training of a tokenizer. */
function tokenizerRun(
  { config, settings, state, seed }: Plan,
  clips: readonly RgbClip[],
  perceptual: PerceptualLoss | undefined,
  signal: AbortSignal | undefined,
): Pick<TrainingRun<TokenizerParams, TokenizerTrainSettings>, "settings" | "state" | "steps" | "encode" | "psnrOf"> {
  return {
    settings,
    state,
    steps: (current, from) =>
      trainTokenizer({
        config,
        clips,
        settings: current,
        seed,
        signal,
        ...(from === undefined ? {} : { state: from }),
        ...(perceptual === undefined ? {} : { perceptual }),
      }),
    encode: (current, at) => encodeTraining({ config, settings: current, state: at }),
    psnrOf: settings.stage === 1 ? psnrOfError : undefined,
  };
}

function stoppedError(run: string, { step, checkpoint }: TrainingResult): CoordTokError {
  return new CoordTokError(
    "aborted",
    `Stopped after step ${step}; saved as ${checkpoint}. Resume the run folder to continue.`,
    { remedy: ["trainOnVideos"], options: { resume: run } },
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

/** Before any weights are there. */
function checkTrainingMemory(
  config: TokenizerConfig,
  { batchSize, pointsPerClip }: TokenizerTrainSettings,
  backend: LoadedBackend,
): void {
  checkMemory(config, { task: "train", clips: batchSize, points: pointsPerClip }, backend);
}

async function newPlan(options: TrainOnVideosOptions, backend: LoadedBackend): Promise<Plan> {
  const { seed = 0 } = options;
  const settings = { ...trainDefaults, ...options.settings };
  const perceptual = perceptualChoice(settings, undefined, options);
  const validation = (options.validation ?? []).map((path) => resolve(path));
  const check = (config: TokenizerConfig): void => {
    checkTrainingMemory(config, settings, backend);
  };
  const begun =
    options.from === undefined ? undefined : await startingWeights(options.from, seed, settings, check, options);
  const config = begun?.config ?? options.config;
  if (config === undefined) throw new CoordTokError("config", "Expected a configuration for a new training.");
  if (begun === undefined) check(config);
  const record = { config, settings, seed, validation, perceptual, from: begun?.checkpoint };
  return { config, settings, seed, validation, record, ...(begun ? { state: begun.state } : {}) };
}

/** The weights of a checkpoint, the moving average, as a training that has taken no step. */
async function startingWeights(
  path: string,
  seed: number,
  settings: TokenizerTrainSettings,
  onConfig: (config: TokenizerConfig) => void,
  { signal }: TrainOnVideosOptions,
): Promise<{ checkpoint: string; config: TokenizerConfig; state: SavedTraining["state"] }> {
  const checkpoint = resolve(await resolveCheckpoint(path));
  // The training takes the weights over.
  const { config, params } = await loadModel(checkpoint, { signal, onConfig });
  return { checkpoint, config, state: initialTrainState(params, seed, optimizerOf(settings)) };
}

/** Which perceptual loss a training takes. @throws CoordTokError `config` for stage 2 without one. */
function perceptualChoice(
  { stage }: TokenizerTrainSettings,
  before: PerceptualChoice | undefined,
  options: TrainOnVideosOptions,
): PerceptualChoice | undefined {
  if (stage === 1) return undefined;
  const lpips = options.lpips ?? before?.lpips;
  if (lpips === undefined)
    throw new CoordTokError("config", "Stage 2 needs a perceptual loss; choose its network.", {
      options: { lpips: undefined },
    });
  const weights = options.weights === undefined ? before?.weights : resolve(options.weights);
  return { lpips, weights: weights ?? resolve(defaultWeightsFolder) };
}

async function loadPerceptual(
  choice: PerceptualChoice | undefined,
  { signal, onNote }: TrainOnVideosOptions,
): Promise<(Disposable & { readonly loss: PerceptualLoss }) | undefined> {
  if (choice === undefined) return undefined;
  const { params, files } = await loadLpips(choice.lpips, choice.weights, { signal });
  onNote?.(`LPIPS of ${files.map(({ path }) => basename(path)).join(" and ")}`);
  return { loss: perceptualLoss(params), [Symbol.dispose]: () => disposeLpipsParams(params) };
}

interface Resumed {
  readonly folder: string;
  readonly checkpoint: string;
  readonly run: RunConfig;
}

async function openResumed(path: string): Promise<Resumed> {
  const checkpoint = await resolveCheckpoint(path);
  const folder = checkpoint === path ? await runFolderOf(checkpoint) : path;
  return { folder, checkpoint, run: await readRunConfig<RunConfig>(folder) };
}

async function resumePlan(
  { checkpoint, run }: Resumed,
  options: TrainOnVideosOptions,
  backend: LoadedBackend,
): Promise<Plan> {
  checkTrainingMemory(run.config, { ...run.settings, ...options.settings }, backend);
  const source = await openFileSource(checkpoint);
  try {
    const saved = await readTraining(source, { signal: options.signal });
    const settings = { ...saved.settings, ...options.settings };
    try {
      checkStepsLeft(saved.state.step, settings, options.minutes);
    } catch (thrown) {
      disposeTrainState(saved.state);
      throw thrown;
    }
    const validation = options.validation?.map((path) => resolve(path)) ?? run.validation;
    options.onNote?.(`Going on after step ${saved.state.step} of ${settings.totalSteps}`);
    const { config, state } = saved;
    const { seed } = run;
    const perceptual = perceptualChoice(settings, run.perceptual, options);
    return { config, settings, seed, validation, state, record: { ...run, settings, validation, perceptual } };
  } finally {
    await source.close();
  }
}

/** `runs/2026-11-24-10-15-30`. */
export function defaultRunName(): string {
  return `runs/${new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-")}`;
}

export function versionsOf(backend: LoadedBackend): Readonly<Record<string, unknown>> {
  return {
    coordtok: ownVersion,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    backend: backend.name,
    device: backend.device,
    ...backend.versions,
  };
}

import { basename } from "node:path";
import { backendOptionNames, prepareBackend, type LoadedBackend } from "@coordtok/backend";
import { checkOptions, CoordTokError, pickOptions, type OptionNames, type PerceptualLoss } from "@coordtok/core";
import { countText } from "@coordtok/core/text";
import type { TrainState } from "@coordtok/core/train";
import { perceptualLoss, type LpipsWeightsName } from "@coordtok/metrics";
import { disposeLpipsParams } from "@coordtok/metrics/networks";
import { loadLpips } from "@coordtok/metrics/node";
import { CoordTok, type AnyTokenizerConfig } from "@coordtok/tokenizer";
import type { TokenizerParams } from "@coordtok/tokenizer/model";
import {
  encodeTraining,
  psnrOfError,
  trainTokenizer,
  type LatticeTrainSettings,
  type TokenizerTrainSettings,
} from "@coordtok/tokenizer/train";
import type { DamagedPolicy } from "@coordtok/video";
import { ffmpegOptionNames, findVideos, openWindowLoader } from "@coordtok/video/node";
import { namingOptionNames } from "../models/naming-options.js";
import { formOfModel } from "../models/load-pretrained.js";
import { forecastRun, type TrainingForecast } from "./forecast.js";
import { keepingOf, withKeeping } from "./keeping.js";
import { bestEffort } from "./best-effort.js";
import { openHeldOut, reconstructHeldOut, writeHeldOutPreview, type HeldOutClips } from "./held-out.js";
import type { LatticeRecord } from "./lattice-plan.js";
import {
  parseAnyRecord,
  planTokenizer,
  type PerceptualChoice,
  type TokenizerPlan,
  type TokenizerRecord,
} from "./tokenizer-plan.js";
import { useLatticeRun } from "./train-lattice-on-videos.js";
import { disposable, findRun, trainingOptionNames, type RunPlace, type TrainingOptions } from "./training-plan.js";
import { runTraining, type TrainingResult, type TrainingRun, type UseOfRun } from "./training-run.js";
import { bytesOf, videoSources } from "./training-sources.js";
import {
  knowingSources,
  TrainingWindows,
  withoutDamaged,
  withoutHeldOut,
  type SkippedVideo,
} from "./training-videos.js";

/** Options of {@link trainOnVideos}. */
export interface TrainOnVideosOptions extends TrainingOptions<TokenizerTrainSettings | LatticeTrainSettings> {
  /**
   * The configuration of the tokenizer, of either form; made by `preset` and `overrideConfig` of `@coordtok/tokenizer`, or
   * `latticePreset` and `overrideLatticeConfig`. Not with `from` or `resume`.
   */
  readonly config?: AnyTokenizerConfig | undefined;
  /** The form that is trained; one that `from` or `resume` does not have is refused (default: that of `config`, `from` or `resume`). */
  readonly form?: AnyTokenizerConfig["form"] | undefined;
  /** Held-out videos, and folders of them, whose PSNR is measured during training. Those among the training videos are left out of the training. */
  readonly validation?: readonly string[] | undefined;
  /** Number of steps between these measurements (default 100). */
  readonly validateEvery?: number | undefined;
  /** A known model, checkpoint or run folder whose weights and configuration the training starts from. Not with `config` or `resume`. */
  readonly from?: string | undefined;
  /** The network of LPIPS, required in stage 2 (default with `resume`: the run's). */
  readonly lpips?: LpipsWeightsName | undefined;
  /** The folder of the files of LPIPS, by their published names (default: the run's, otherwise `weights`). */
  readonly weights?: string | undefined;
  /** Lattice form: pictures, and folders of them, that windows under a moving camera are made from (default: none, or the run's). */
  readonly pictures?: readonly string[] | undefined;
  /** Lattice form: rows and columns of pixels of the windows that are trained on, whole blocks of 8 (default: mostly 64x64). */
  readonly size?: { readonly height: number; readonly width: number } | undefined;
  /** Lattice form: frames of these windows, whole blocks of 4 (default: 16 and 32). */
  readonly windowFrames?: number | undefined;
  /** The number of threads that read videos; 0 reads in the calling thread. The training is the same with any (default: one less than the machine has cores, from 1 to 4). */
  readonly workers?: number | undefined;
  /** What resized frames, kept below the cache folder for later epochs and trainings, may take on disk, in bytes; 0 keeps none (default 20e9). */
  readonly frameCacheBytes?: number | undefined;
  /**
   * What becomes of videos of which only a part decodes, among those given: what decodes is used, they are left out and listed, or the first
   * is an error; all but `use` decode every video once more (default `use`).
   */
  readonly damaged?: DamagedPolicy | undefined;
}

const trainOnVideosOptionNames: OptionNames<TrainOnVideosOptions> = {
  ...trainingOptionNames,
  config: true,
  validation: true,
  validateEvery: true,
  from: true,
  form: true,
  lpips: true,
  weights: true,
  pictures: true,
  size: true,
  windowFrames: true,
  workers: true,
  frameCacheBytes: true,
  damaged: true,
};

/** The result of {@link trainOnVideos}. */
export interface TrainReport extends TrainingResult {
  /** Number of videos that were trained on. */
  readonly clips: number;
  /** Videos that could not be read, and why. */
  readonly skipped: readonly SkippedVideo[];
  /** The PSNR in dB of the linear start of the lattice form; absent for the paper's form and for trainings from given weights. */
  readonly startPsnrDb?: number | undefined;
}

/**
 * Trains a tokenizer of either form on videos and records everything about it in a run folder: configuration, versions, metrics, checkpoints and
 * the curve. When it is stopped, it saves a checkpoint first. For the lattice form, a `batchSize` in the settings is the number of windows of 16
 * frames of 64x64 pixels in a step, of larger ones there are fewer.
 * @param paths files and folders; with `resume` they default to those of the run.
 * @throws CoordTokError `aborted`, saying how to resume; and for videos, settings or folders that cannot be used.
 */
export async function trainOnVideos(paths: readonly string[], given: TrainOnVideosOptions): Promise<TrainReport> {
  checkOptions(given, trainOnVideosOptionNames, "trainOnVideos");
  return useRunOnVideos(paths, given, runTraining);
}

/** What a training on videos will need. */
export interface VideosForecast extends TrainingForecast {
  /** Number of videos to train on. */
  readonly clips: number;
  /** Videos among the first ones that could not be read, and why. */
  readonly skipped: readonly SkippedVideo[];
}

/**
 * Finds out what a training on videos will need: it checks everything, takes the first steps and forgets them. Nothing is written.
 * @param paths as for {@link trainOnVideos}.
 * @throws CoordTokError as {@link trainOnVideos}.
 */
export async function forecastOnVideos(paths: readonly string[], given: TrainOnVideosOptions): Promise<VideosForecast> {
  checkOptions(given, trainOnVideosOptionNames, "forecastOnVideos");
  return useRunOnVideos(paths, { ...given, frameCacheBytes: 0 }, forecastRun);
}

/** What trainings on videos report beside what was done with their run. */
type AboutVideos = Pick<TrainReport, "clips" | "skipped" | "startPsnrDb">;

async function useRunOnVideos<Result>(
  paths: readonly string[],
  given: TrainOnVideosOptions,
  use: UseOfRun<Result>,
): Promise<Result & AboutVideos> {
  await using place = await findRun(given, parseAnyRecord);
  const record = place.resumed?.record;
  const options = withKeeping(given, record?.keeping);
  const found = record && paths.length === 0 ? record.videos : await findVideos(paths);
  const validation = await validationOf(options, record);
  const form = await formOf(record, options);
  const backend = await prepareBackend("training", pickOptions(options, backendOptionNames));
  options.onNote?.(`${countText(found.length, "video")} found`);
  const { kept: videos, skipped } = await withoutDamaged(found, options.damaged ?? "use", options);
  const result = await (form === "lattice"
    ? useLatticeRun({ videos, validation }, place as RunPlace<LatticeRecord>, backend, options, use)
    : usePaperRun(
        { videos, validation, isGiven: paths.length > 0 },
        place as RunPlace<TokenizerRecord>,
        backend,
        options,
        use,
      ));
  return { ...result, skipped: [...skipped, ...result.skipped] };
}

/** The files that a training reads. */
export interface TrainingPaths {
  /** The videos to train on, among them perhaps some that are held out. */
  readonly videos: readonly string[];
  /** The held-out videos. */
  readonly validation: readonly string[];
}

async function usePaperRun<Result>(
  { videos, validation, isGiven }: TrainingPaths & { readonly isGiven: boolean },
  place: RunPlace<TokenizerRecord>,
  backend: LoadedBackend,
  options: TrainOnVideosOptions,
  use: UseOfRun<Result>,
): Promise<Result & AboutVideos> {
  using plan = disposable(await planTokenizer(place.resumed, options, backend));
  using perceptual = await loadPerceptual(plan.record.perceptual, options);
  const isNew = place.resumed === undefined || isGiven;
  const trained = isNew ? await withoutHeldOut(videos, validation, options) : videos;
  const earlier = place.resumed?.record;
  const before = earlier && { run: place.path, sources: earlier.sources };
  const sources = await videoSources([...trained, ...validation], before, options);
  const { frames, height, width } = plan.config.clip;
  await using loader = openWindowLoader({
    ...pickOptions(options, ffmpegOptionNames),
    frames: { size: { height, width } },
    longest: frames,
    workers: options.workers,
    storeBytes: options.frameCacheBytes,
  });
  const reader = knowingSources(loader, sources);
  const heldOut = await openHeldOut(reader, frames, validation, options);
  const windows = new TrainingWindows(reader, { videos: trained, seed: plan.record.seed, frames }, options);
  const run = tokenizerRun(
    plan,
    { videos: trained, validation, windows, heldOut },
    perceptual?.loss,
    place.path,
    options,
  );
  const record = { ...run.record, sources, keeping: keepingOf(options) };
  const result = await use({ ...run, record, sourceBytes: bytesOf(sources) }, place, backend, options);
  const { skipped } = windows;
  return { ...result, clips: trained.length - skipped.length, skipped };
}

/** The paths of the held-out videos: those given, otherwise those of the training to resume. @throws CoordTokError as `findVideos`. */
async function validationOf(
  { validation = [] }: TrainOnVideosOptions,
  record: TokenizerRecord | LatticeRecord | undefined,
): Promise<readonly string[]> {
  return validation.length === 0 ? (record?.validation ?? []) : findVideos(validation);
}

/** The form of a training. @throws CoordTokError `usage` when another one is asked for. */
async function formOf(
  record: TokenizerRecord | LatticeRecord | undefined,
  options: TrainOnVideosOptions,
): Promise<AnyTokenizerConfig["form"]> {
  const { config, form, from } = options;
  const there =
    record?.config.form ??
    (from === undefined ? config?.form : await formOfModel(from, pickOptions(options, namingOptionNames)));
  const found = there ?? form ?? "paper";
  if (form === undefined || form === found) return found;
  const names = { paper: "the paper's form", lattice: "the lattice form" };
  throw new CoordTokError("usage", `The training has ${names[found]}, not ${names[form]}; leave the form out.`, {
    options: { form: undefined },
  });
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

/** What a tokenizer is trained and measured on. */
interface TrainingData {
  readonly videos: readonly string[];
  readonly validation: readonly string[];
  readonly windows: TrainingWindows;
  readonly heldOut: HeldOutClips;
}

/** Describes the training of a tokenizer to `runTraining`. */
function tokenizerRun(
  { config, settings, state, memoryBytes, record }: TokenizerPlan,
  { videos, validation, windows, heldOut }: TrainingData,
  perceptual: PerceptualLoss | undefined,
  folder: string,
  { signal, validateEvery = 100, validation: given, onWarning }: TrainOnVideosOptions,
): TrainingRun<TokenizerParams, TokenizerTrainSettings> {
  const draw = bestEffort({ onWarning });
  const measure = async ({ average, step }: TrainState<TokenizerParams>): Promise<number | undefined> => {
    const measured = await reconstructHeldOut(CoordTok.from(config, average), heldOut, signal);
    if (measured !== undefined) await draw(() => writeHeldOutPreview(folder, step, measured));
    return measured?.psnrDb;
  };
  return {
    settings,
    state,
    record: { ...record, videos, validation },
    trainer: "trainOnVideos",
    memoryBytes,
    stepsPerEpoch: videos.length / (settings.batchSize * settings.accumulate),
    steps: (current, from) =>
      trainTokenizer({
        config,
        clips: windows,
        settings: current,
        seed: record.seed,
        signal,
        ...(from === undefined ? {} : { state: from }),
        ...(perceptual === undefined ? {} : { perceptual }),
      }),
    encode: (current, at) => encodeTraining({ config, settings: current, state: at }),
    psnrOf: settings.stage === 1 ? psnrOfError : undefined,
    measure: heldOut.length === 0 ? undefined : { every: validateEvery, of: measure, fresh: given !== undefined },
  };
}

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
import { findVideos } from "@coordtok/video/node";
import { formOfModel } from "../models/load-pretrained.js";
import { keepingOf, withKeeping } from "./keeping.js";
import { reconstructHeldOut, writeHeldOutPreview } from "./held-out.js";
import type { LatticeRecord } from "./lattice-plan.js";
import {
  parseAnyRecord,
  planTokenizer,
  type PerceptualChoice,
  type TokenizerPlan,
  type TokenizerRecord,
} from "./tokenizer-plan.js";
import { trainLatticeOnVideos } from "./train-lattice-on-videos.js";
import { disposable, findRun, trainingOptionNames, type RunPlace, type TrainingOptions } from "./training-plan.js";
import { runTraining, type TrainingResult, type TrainingRun } from "./training-run.js";
import { videoSources } from "./training-sources.js";
import { readTrainingClips, withoutHeldOut, type TrainingClips } from "./training-videos.js";

/** Options of {@link trainOnVideos}. */
export interface TrainOnVideosOptions extends TrainingOptions<TokenizerTrainSettings | LatticeTrainSettings> {
  /**
   * The configuration of the tokenizer, of either form; made by `preset` and `overrideConfig` of `@coordtok/tokenizer`, or
   * `latticePreset` and `overrideLatticeConfig`. Not with `from` or `resume`.
   */
  readonly config?: AnyTokenizerConfig | undefined;
  /** The form that is trained; one that `from` or `resume` does not have is refused (default: that of `config`, `from` or `resume`). */
  readonly form?: AnyTokenizerConfig["form"] | undefined;
  /** Held-out videos whose PSNR is measured during training. Those among the training videos are left out of the training. */
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
};

/** The result of {@link trainOnVideos}. */
export interface TrainReport extends TrainingResult {
  /** Number of clips that were trained on. */
  readonly clips: number;
  /** Videos that could not be read, and why. */
  readonly skipped: readonly { readonly video: string; readonly reason: string }[];
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
  const place = await findRun(given, parseAnyRecord);
  const options = withKeeping(given, place.resumed?.record.keeping);
  const videos = place.resumed && paths.length === 0 ? place.resumed.record.videos : await findVideos(paths);
  const form = await formOf(place.resumed?.record, options);
  const backend = await prepareBackend("training", pickOptions(options, backendOptionNames));
  options.onNote?.(`${countText(videos.length, "video")} found`);
  return form === "lattice"
    ? trainLatticeOnVideos(videos, place as RunPlace<LatticeRecord>, backend, options)
    : trainPaperOnVideos(videos, paths.length > 0, place as RunPlace<TokenizerRecord>, backend, options);
}

async function trainPaperOnVideos(
  videos: readonly string[],
  isGiven: boolean,
  place: RunPlace<TokenizerRecord>,
  backend: LoadedBackend,
  options: TrainOnVideosOptions,
): Promise<TrainReport> {
  using plan = disposable(await planTokenizer(place.resumed, options, backend));
  using perceptual = await loadPerceptual(plan.record.perceptual, options);
  const isNew = place.resumed === undefined || isGiven;
  const trained = isNew ? await withoutHeldOut(videos, plan.record.validation, options) : videos;
  const earlier = place.resumed && { run: place.path, sources: place.resumed.record.sources };
  const sources = await videoSources([...trained, ...plan.record.validation], earlier, options);
  const clips = await readTrainingClips(trained, plan.record.validation, plan.config, options);
  const run = tokenizerRun(plan, clips, perceptual?.loss, place.path, options);
  const record = { ...run.record, sources, keeping: keepingOf(options) };
  const result = await runTraining({ ...run, record }, place, backend, options);
  return { ...result, clips: clips.clips.length, skipped: clips.skipped };
}

/** The form of a training. @throws CoordTokError `usage` when another one is asked for. */
async function formOf(
  record: TokenizerRecord | LatticeRecord | undefined,
  { config, form, from }: TrainOnVideosOptions,
): Promise<AnyTokenizerConfig["form"]> {
  const there = record?.config.form ?? (from === undefined ? config?.form : await formOfModel(from));
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

/** Describes the training of a tokenizer to `runTraining`. */
function tokenizerRun(
  { config, settings, state, record }: TokenizerPlan,
  { clips, videos, heldOut }: TrainingClips,
  perceptual: PerceptualLoss | undefined,
  folder: string,
  { signal, validateEvery = 100 }: TrainOnVideosOptions,
): TrainingRun<TokenizerParams, TokenizerTrainSettings> {
  const measure = async ({ average, step }: TrainState<TokenizerParams>): Promise<number | undefined> => {
    const measured = await reconstructHeldOut(CoordTok.from(config, average), heldOut, signal);
    if (measured !== undefined) await writeHeldOutPreview(folder, step, measured);
    return measured?.psnrDb;
  };
  return {
    settings,
    state,
    record: { ...record, videos },
    trainer: "trainOnVideos",
    steps: (current, from) =>
      trainTokenizer({
        config,
        clips,
        settings: current,
        seed: record.seed,
        signal,
        ...(from === undefined ? {} : { state: from }),
        ...(perceptual === undefined ? {} : { perceptual }),
      }),
    encode: (current, at) => encodeTraining({ config, settings: current, state: at }),
    psnrOf: settings.stage === 1 ? psnrOfError : undefined,
    measure: heldOut.length === 0 ? undefined : { every: validateEvery, of: measure },
  };
}

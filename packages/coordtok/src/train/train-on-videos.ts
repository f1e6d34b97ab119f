import { basename } from "node:path";
import { backendOptionNames, prepareBackend } from "@coordtok/backend";
import { checkOptions, pickOptions, type OptionNames, type PerceptualLoss } from "@coordtok/core";
import { countText } from "@coordtok/core/text";
import { perceptualLoss, type LpipsWeightsName } from "@coordtok/metrics";
import { disposeLpipsParams } from "@coordtok/metrics/networks";
import { loadLpips } from "@coordtok/metrics/node";
import type { TokenizerConfig } from "@coordtok/tokenizer";
import type { TokenizerParams } from "@coordtok/tokenizer/model";
import { encodeTraining, psnrOfError, trainTokenizer, type TokenizerTrainSettings } from "@coordtok/tokenizer/train";
import { findVideos } from "@coordtok/video/node";
import { heldOutPsnr } from "./held-out.js";
import { keepingOf, withKeeping } from "./keeping.js";
import { parseTokenizerRecord, planTokenizer, type PerceptualChoice, type TokenizerPlan } from "./tokenizer-plan.js";
import { disposable, findRun, trainingOptionNames, type TrainingOptions } from "./training-plan.js";
import { runTraining, type TrainingResult, type TrainingRun } from "./training-run.js";
import { videoSources } from "./training-sources.js";
import { readTrainingClips, withoutHeldOut, type TrainingClips } from "./training-videos.js";

/** Options of {@link trainOnVideos}. */
export interface TrainOnVideosOptions extends TrainingOptions<TokenizerTrainSettings> {
  /** The configuration of the tokenizer; made by `preset` and `overrideConfig` of `@coordtok/tokenizer`. Not with `resume`. */
  readonly config?: TokenizerConfig | undefined;
  /** Held-out videos whose PSNR is measured during training. Those among the training videos are left out of the training. */
  readonly validation?: readonly string[] | undefined;
  /** Number of steps between these measurements (default 100). */
  readonly validateEvery?: number | undefined;
  /** A checkpoint or run folder whose weights and configuration the training starts from. Not with `config` or `resume`. */
  readonly from?: string | undefined;
  /** The network of LPIPS, required in stage 2 (default with `resume`: the run's). */
  readonly lpips?: LpipsWeightsName | undefined;
  /** The folder of the files of LPIPS, by their published names (default: the run's, otherwise `weights`). */
  readonly weights?: string | undefined;
}

const trainOnVideosOptionNames: OptionNames<TrainOnVideosOptions> = {
  ...trainingOptionNames,
  config: true,
  validation: true,
  validateEvery: true,
  from: true,
  lpips: true,
  weights: true,
};

/** The result of {@link trainOnVideos}. */
export interface TrainReport extends TrainingResult {
  /** Number of clips that were trained on. */
  readonly clips: number;
  /** Videos that could not be read, and why. */
  readonly skipped: readonly { readonly video: string; readonly reason: string }[];
}

/**
 * Trains a tokenizer on videos and records everything about it in a run folder: configuration, versions, metrics, checkpoints and
 * the curve. When it is stopped, it saves a checkpoint first.
 * @param paths files and folders; with `resume` they default to those of the run.
 * @throws CoordTokError `aborted`, saying how to resume; and for videos, settings or folders that cannot be used.
 */
export async function trainOnVideos(paths: readonly string[], given: TrainOnVideosOptions): Promise<TrainReport> {
  checkOptions(given, trainOnVideosOptionNames, "trainOnVideos");
  const place = await findRun(given, parseTokenizerRecord);
  const options = withKeeping(given, place.resumed?.record.keeping);
  const videos = place.resumed && paths.length === 0 ? place.resumed.record.videos : await findVideos(paths);
  const backend = await prepareBackend("training", pickOptions(options, backendOptionNames));
  options.onNote?.(`${countText(videos.length, "video")} found`);
  using plan = disposable(await planTokenizer(place.resumed, options, backend));
  using perceptual = await loadPerceptual(plan.record.perceptual, options);
  const isGiven = place.resumed === undefined || paths.length > 0;
  const trained = isGiven ? await withoutHeldOut(videos, plan.record.validation, options) : videos;
  const earlier = place.resumed && { run: place.path, sources: place.resumed.record.sources };
  const sources = await videoSources([...trained, ...plan.record.validation], earlier, options);
  const clips = await readTrainingClips(trained, plan.record.validation, plan.config, options);
  const run = tokenizerRun(plan, clips, perceptual?.loss, options);
  const record = { ...run.record, sources, keeping: keepingOf(options) };
  const result = await runTraining({ ...run, record }, place, backend, options);
  return { ...result, clips: clips.clips.length, skipped: clips.skipped };
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
  { signal, validateEvery = 100 }: TrainOnVideosOptions,
): TrainingRun<TokenizerParams, TokenizerTrainSettings> {
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
    measure:
      heldOut.length === 0
        ? undefined
        : { every: validateEvery, of: ({ average }) => heldOutPsnr(average, config, heldOut, signal) },
  };
}

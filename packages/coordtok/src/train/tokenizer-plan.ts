import { resolve } from "node:path";
import type { LoadedBackend } from "@coordtok/backend";
import { checkChoice, checkInteger, CoordTokError } from "@coordtok/core";
import { checkStored } from "@coordtok/core/checks";
import { resolveCheckpoint } from "@coordtok/core/node";
import { initialTrainState, optimizerOf, withChanges, type TrainState } from "@coordtok/core/train";
import { lpipsWeightsNames, type LpipsWeightsName } from "@coordtok/metrics";
import { defaultWeightsFolder } from "@coordtok/metrics/node";
import { checkConfig, type TokenizerConfig } from "@coordtok/tokenizer";
import type { TokenizerParams } from "@coordtok/tokenizer/model";
import { loadModel } from "@coordtok/tokenizer/node";
import { readTraining, trainDefaults, type TokenizerTrainSettings } from "@coordtok/tokenizer/train";
import { looseObject, optional } from "valibot";
import { checkMemory } from "../model.js";
import { keepingSchema, type Keeping } from "./keeping.js";
import type { TrainOnVideosOptions } from "./train-on-videos.js";
import { trainingSourcesSchema, type TrainingSource } from "./training-sources.js";
import { checkSettings, checkTexts, resumeTraining, type Resumed } from "./training-plan.js";

/** The perceptual loss of stage 2. */
export interface PerceptualChoice {
  /** The network of LPIPS. */
  readonly lpips: LpipsWeightsName;
  /** The folder of its files. */
  readonly weights: string;
}

/** The content of `config.json` of a tokenizer's run: everything needed to repeat the training. */
export interface TokenizerRecord {
  readonly config: TokenizerConfig;
  readonly settings: TokenizerTrainSettings;
  readonly seed: number;
  /** Absolute paths of the videos, in the order in which clips are numbered. */
  readonly videos: readonly string[];
  readonly validation: readonly string[];
  /** The content of both; absent in the runs of older versions. */
  readonly sources?: readonly TrainingSource[] | undefined;
  /** How often it saves and measures. */
  readonly keeping?: Keeping | undefined;
  /** The perceptual loss of stage 2. */
  readonly perceptual?: PerceptualChoice | undefined;
  /** The checkpoint whose weights the training started from. */
  readonly from?: string | undefined;
  /** How a time budget determined the number of steps. */
  readonly budget?: { readonly minutes: number; readonly secondsPerStep: number } | undefined;
}

const storedParts = looseObject({ sources: optional(trainingSourcesSchema), keeping: optional(keepingSchema) });

/** Checks the content of a `config.json`. @throws CoordTokError `config`, `file-format`. */
export function parseTokenizerRecord(stored: object): TokenizerRecord {
  const record = stored as TokenizerRecord;
  checkInteger(record.seed, "seed", Number.MIN_SAFE_INTEGER);
  checkSettings(record.settings, ["batchSize", "pointsPerClip", "totalSteps"]);
  for (const name of ["videos", "validation"] as const) checkTexts(record[name], name);
  const { sources, keeping } = checkStored(storedParts, stored, "the configuration");
  if (record.perceptual !== undefined) {
    checkChoice(record.perceptual.lpips, "perceptual.lpips", lpipsWeightsNames);
    checkTexts([record.perceptual.weights], "perceptual.weights");
  }
  return { ...record, ...(sources && { sources }), ...(keeping && { keeping }), config: checkConfig(record.config) };
}

/** What to train, the state to start from, and the record for the run folder. */
export interface TokenizerPlan {
  readonly config: TokenizerConfig;
  readonly settings: TokenizerTrainSettings;
  /** The state to start from; absent for new parameters. */
  readonly state?: TrainState<TokenizerParams> | undefined;
  readonly record: Omit<TokenizerRecord, "videos">;
}

/**
 * Plans a new training, or reads the one to resume. Memory is checked before any weights are loaded.
 * @throws CoordTokError `memory`, `config`, `checkpoint`, `usage`.
 */
export function planTokenizer(
  resumed: Resumed<TokenizerRecord> | undefined,
  options: TrainOnVideosOptions,
  backend: LoadedBackend,
): Promise<TokenizerPlan> {
  return resumed === undefined ? newPlan(options, backend) : resumedPlan(resumed, options, backend);
}

async function newPlan(options: TrainOnVideosOptions, backend: LoadedBackend): Promise<TokenizerPlan> {
  const { seed = 0, from, signal } = options;
  const settings = withChanges(trainDefaults, options.settings);
  const validation = (options.validation ?? []).map((path) => resolve(path));
  const perceptual = perceptualChoice(settings, undefined, options);
  const record = { settings, seed, validation, perceptual };
  const onConfig = (config: TokenizerConfig): void => {
    checkTrainingMemory(config, settings, backend);
  };
  if (from !== undefined) {
    const checkpoint = resolve(await resolveCheckpoint(from));
    // The moving average of the checkpoint, which the training now owns.
    const { config, params } = await loadModel(checkpoint, { signal, onConfig });
    const state = initialTrainState(params, seed, optimizerOf(settings));
    return { config, settings, state, record: { config, ...record, from: checkpoint } };
  }
  const { config } = options;
  if (config === undefined) throw new CoordTokError("config", "Expected a configuration for a new training.");
  onConfig(config);
  return { config, settings, record: { config, ...record } };
}

async function resumedPlan(
  { checkpoint, record }: Resumed<TokenizerRecord>,
  options: TrainOnVideosOptions,
  backend: LoadedBackend,
): Promise<TokenizerPlan> {
  checkTrainingMemory(record.config, withChanges(record.settings, options.settings), backend);
  let perceptual: PerceptualChoice | undefined;
  const plan = await resumeTraining(checkpoint, readTraining, options, (_, settings) => {
    checkTrainingMemory(record.config, settings, backend);
    perceptual = perceptualChoice(settings, record.perceptual, options);
  });
  const validation = options.validation?.map((path) => resolve(path)) ?? record.validation;
  return { ...plan, record: { ...record, settings: plan.settings, validation, perceptual } };
}

function checkTrainingMemory(
  config: TokenizerConfig,
  { batchSize, pointsPerClip }: TokenizerTrainSettings,
  backend: LoadedBackend,
): void {
  checkMemory(config, { task: "train", clips: batchSize, points: pointsPerClip }, backend);
}

/** Chooses the perceptual loss of a training. @throws CoordTokError `config` for stage 2 without one. */
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

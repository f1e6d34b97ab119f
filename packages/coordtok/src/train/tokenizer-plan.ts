import { resolve } from "node:path";
import type { LoadedBackend } from "@coordtok/backend";
import { checkChoice, checkInteger, CoordTokError, pickOptions } from "@coordtok/core";
import { initialTrainState, optimizerOf, withChanges, type TrainState } from "@coordtok/core/train";
import { lpipsWeightsNames, type LpipsWeightsName } from "@coordtok/metrics";
import { defaultWeightsFolder } from "@coordtok/metrics/node";
import { checkConfig, type TokenizerConfig } from "@coordtok/tokenizer";
import type { TokenizerParams } from "@coordtok/tokenizer/model";
import { loadModel } from "@coordtok/tokenizer/node";
import { readTraining, trainDefaults, type TokenizerTrainSettings } from "@coordtok/tokenizer/train";
import { bytesPerWorker, defaultWorkers } from "@coordtok/video/node";
import { checkMemory } from "../model.js";
import { namingOptionNames } from "../models/naming-options.js";
import { resolveModel } from "../models/resolve-model.js";
import { parseLatticeRecord, type LatticeRecord } from "./lattice-plan.js";
import type { TrainOnVideosOptions } from "./train-on-videos.js";
import { storedParts, type StoredParts } from "./stored-parts.js";
import { checkSettings, checkTexts, resumeTraining, type Resumed } from "./training-plan.js";
import { windowsAhead } from "./training-videos.js";

/** The perceptual loss of stage 2. */
export interface PerceptualChoice {
  /** The network of LPIPS. */
  readonly lpips: LpipsWeightsName;
  /** The folder of its files. */
  readonly weights: string;
}

/** The content of `config.json` of a tokenizer's run: everything needed to repeat the training. */
export interface TokenizerRecord extends StoredParts {
  readonly config: TokenizerConfig;
  readonly settings: TokenizerTrainSettings;
  readonly seed: number;
  /** Absolute paths of the videos, in the order in which clips are numbered. */
  readonly videos: readonly string[];
  readonly validation: readonly string[];
  /** The perceptual loss of stage 2. */
  readonly perceptual?: PerceptualChoice | undefined;
  /** The checkpoint whose weights the training started from. */
  readonly from?: string | undefined;
  /** How a time budget determined the number of steps. */
  readonly budget?: { readonly minutes: number; readonly secondsPerStep: number } | undefined;
}

/** Checks the content of a `config.json`, of either form. @throws CoordTokError `config`. */
export function parseAnyRecord(stored: object): TokenizerRecord | LatticeRecord {
  const { config } = stored as { readonly config?: { readonly form?: unknown } };
  return config?.form === "lattice" ? parseLatticeRecord(stored) : parseTokenizerRecord(stored);
}

function parseTokenizerRecord(stored: object): TokenizerRecord {
  const record = stored as TokenizerRecord;
  checkInteger(record.seed, "seed", Number.MIN_SAFE_INTEGER);
  checkSettings(record.settings, ["batchSize", "pointsPerClip", "totalSteps"]);
  for (const name of ["videos", "validation"] as const) checkTexts(record[name], name);
  const parts = storedParts(stored);
  if (record.perceptual !== undefined) {
    checkChoice(record.perceptual.lpips, "perceptual.lpips", lpipsWeightsNames);
    checkTexts([record.perceptual.weights], "perceptual.weights");
  }
  return { ...record, ...parts, config: checkConfig(record.config) };
}

/** What to train, the state to start from, and the record for the run folder. */
export interface TokenizerPlan {
  readonly config: TokenizerConfig;
  readonly settings: TokenizerTrainSettings;
  /** The state to start from; absent for new parameters. */
  readonly state?: TrainState<TokenizerParams> | undefined;
  /** The estimated memory in bytes. */
  readonly memoryBytes: number;
  readonly record: Omit<TokenizerRecord, "videos" | "validation">;
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
  refuseLatticeOptions(options);
  return resumed === undefined ? newPlan(options, backend) : resumedPlan(resumed, options, backend);
}

async function newPlan(options: TrainOnVideosOptions, backend: LoadedBackend): Promise<TokenizerPlan> {
  const { seed = 0, from, signal } = options;
  const settings = withChanges(trainDefaults, paperSettings(options));
  const perceptual = perceptualChoice(settings, undefined, options);
  const record = { settings, seed, perceptual };
  let memoryBytes = 0;
  const onConfig = (config: TokenizerConfig): void => {
    memoryBytes = checkTrainingMemory(config, settings, backend, options);
  };
  if (from !== undefined) {
    const checkpoint = resolve(await resolveModel(from, pickOptions(options, namingOptionNames)));
    // The moving average of the checkpoint, which the training now owns.
    const { config, params } = await loadModel(checkpoint, { signal, onConfig });
    const state = initialTrainState(params, seed, optimizerOf(settings));
    return { config, settings, state, memoryBytes, record: { config, ...record, from: checkpoint } };
  }
  const { config } = options;
  if (config === undefined || config.form === "lattice")
    throw new CoordTokError("config", "Expected a configuration for a new training.");
  onConfig(config);
  return { config, settings, memoryBytes, record: { config, ...record } };
}

async function resumedPlan(
  resumed: Resumed<TokenizerRecord>,
  options: TrainOnVideosOptions,
  backend: LoadedBackend,
): Promise<TokenizerPlan> {
  const { record } = resumed;
  checkTrainingMemory(record.config, withChanges(record.settings, paperSettings(options)), backend, options);
  let perceptual: PerceptualChoice | undefined;
  let memoryBytes = 0;
  const check = (_: TokenizerTrainSettings, settings: TokenizerTrainSettings): void => {
    memoryBytes = checkTrainingMemory(record.config, settings, backend, options);
    perceptual = perceptualChoice(settings, record.perceptual, options);
  };
  const kind = { read: readTraining, config: record.config, check };
  const plan = await resumeTraining(resumed, kind, { ...options, settings: paperSettings(options) });
  if (plan === undefined) return newPlan(asFirstStarted(record, options), backend);
  return { ...plan, memoryBytes, record: { ...record, settings: plan.settings, perceptual } };
}

/** The options that a training was started with, and those that are given now. */
function asFirstStarted(record: TokenizerRecord, options: TrainOnVideosOptions): TrainOnVideosOptions {
  const { config, seed, from, settings, perceptual } = record;
  return {
    ...options,
    seed,
    from,
    config: from === undefined ? config : undefined,
    settings: withChanges(settings, paperSettings(options)),
    lpips: options.lpips ?? perceptual?.lpips,
    weights: options.weights ?? perceptual?.weights,
  };
}

/** The settings as given; what only the lattice form has was refused before. */
function paperSettings({ settings }: TrainOnVideosOptions): Partial<TokenizerTrainSettings> {
  return settings ?? {};
}

/** Options and settings that only trainings of the lattice form have. */
const latticeOptions = ["pictures", "size", "windowFrames"] as const;
const latticeSettings = ["pictureShare"] as const;

function refuseLatticeOptions(options: TrainOnVideosOptions): void {
  const settings = (options.settings ?? {}) as Readonly<Record<string, unknown>>;
  const given = [
    ...latticeOptions.filter((name) => options[name] !== undefined),
    ...latticeSettings.filter((name) => settings[name] !== undefined),
  ];
  for (const name of given)
    throw new CoordTokError(
      "usage",
      `The training has the paper's form, and ${name} applies to the lattice form; leave it out.`,
      { options: { [name]: undefined } },
    );
}

function checkTrainingMemory(
  config: TokenizerConfig,
  { batchSize, pointsPerClip }: TokenizerTrainSettings,
  backend: LoadedBackend,
  { workers = defaultWorkers() }: TrainOnVideosOptions,
): number {
  const { frames, height, width } = config.clip;
  const windows = batchSize + windowsAhead(batchSize);
  const readingBytes = Math.max(1, workers) * bytesPerWorker + windows * frames * height * width * 3;
  return checkMemory(config, { task: "train", clips: batchSize, points: pointsPerClip }, backend, readingBytes);
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

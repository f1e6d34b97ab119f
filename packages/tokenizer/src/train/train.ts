import {
  checkChoice,
  checkInteger,
  checkNumber,
  checkOptions,
  CoordTokError,
  isCoordTokError,
  type OptionNames,
  type PerceptualLoss,
  type Random,
  type RgbClip,
} from "@coordtok/core";
import {
  adamwDefaults,
  clipForTraining,
  initialTrainState,
  optimizerOf,
  trainLoop,
  withChanges,
  type LoopSettings,
  type TrainState,
  type TrainStep,
} from "@coordtok/core/train";
import type { PatchLattice } from "@coordtok/triplane";
import { mul, tensor3d } from "@tensorflow/tfjs-core";
import { latticeOf, type TokenizerConfig } from "../config.js";
import { createParams, type TokenizerParams } from "../params.js";
import { tokenizerLoss, type LossBatch, type PerceptualTerm } from "./loss.js";
import { patchTargets, randomPatches, randomFramePatches } from "./sample.js";

/** A numbered collection of clips to train on. An array of clips is one. */
export interface ClipSource {
  /** The number of clips. */
  readonly length: number;
  /** Returns clip `index`, 0 to length-1, of the model's frame size and any length; must return the same clip at every call. */
  readonly get: (index: number) => RgbClip | Promise<RgbClip>;
}

/** Windows to train on, in a fixed order; they may be read ahead. */
export interface WindowSource {
  /**
   * Returns the windows `first` to `first + count - 1` of the training, each of the model's frame size and of 1 to the model's number of
   * frames. They must depend on these numbers alone, so that a resumed training gets the same.
   */
  readonly windows: (first: number, count: number) => Promise<readonly RgbClip[]>;
}

/** The settings of a tokenizer training. */
export interface TokenizerTrainSettings extends LoopSettings {
  /** Clips per micro-batch, at least 1. */
  readonly batchSize: number;
  /** Patches decoded per clip and step. */
  readonly pointsPerClip: number;
  /** The stage: 1 trains on random patches, 2 on whole frames with a perceptual loss. */
  readonly stage: 1 | 2;
  /** Weight of the perceptual loss in stage 2. */
  readonly perceptualScale: number;
}

/**
 * The default settings: the paper's AdamW with a short schedule for a single machine. More clips per step help more than more
 * points per clip.
 */
export const trainDefaults: TokenizerTrainSettings = {
  ...adamwDefaults,
  learningRate: 1e-3,
  warmupSteps: 50,
  totalSteps: 1000,
  finalFraction: 0.01,
  accumulate: 1,
  clipNorm: 1,
  emaDecay: 0.999,
  optimizer: "adamw",
  muonRate: 0.01,
  batchSize: 4,
  pointsPerClip: 256,
  stage: 1,
  perceptualScale: 1,
};

/** Options of {@link trainTokenizer}. */
export interface TrainTokenizerOptions {
  /** The configuration of the model. */
  readonly config: TokenizerConfig;
  /** The clips to train on, from which windows are drawn; or the windows themselves. */
  readonly clips: readonly RgbClip[] | ClipSource | WindowSource;
  /** The settings that differ from {@link trainDefaults}. */
  readonly settings?: Partial<TokenizerTrainSettings>;
  /** The state to resume from; training takes ownership of it. Without it, training starts from new parameters of `seed`. */
  readonly state?: TrainState<TokenizerParams>;
  /** The seed of the new parameters and of all draws (default 0). */
  readonly seed?: number;
  /** The perceptual loss, required in stage 2. */
  readonly perceptual?: PerceptualLoss;
  /** Ends the training after the step in progress, or without it while that waits for data; the last state yielded is complete. */
  readonly signal?: AbortSignal | undefined;
}

const trainTokenizerOptionNames: OptionNames<TrainTokenizerOptions> = {
  config: true,
  clips: true,
  settings: true,
  state: true,
  seed: true,
  perceptual: true,
  signal: true,
};

/** One step of training. */
export interface TrainTokenizerStep {
  /** The state after the step. It is freed when the next step is requested; after the last step the caller owns it. */
  readonly state: TrainState<TokenizerParams>;
  /** What the step measured. */
  readonly report: TrainStep & {
    /** The PSNR in dB that corresponds to the squared error of the step's patches; absent in stage 2. */
    readonly psnrDb: number | undefined;
  };
}

/**
 * Trains a tokenizer (paper, section 3.4). Each step draws clips, a window of the model's length from each, and patches. Only these
 * patches are decoded, so the memory for decoding does not depend on the number of frames.
 * @throws CoordTokError `config` for settings out of range, `input` without clips or in stage 2 without a perceptual loss.
 */
export async function* trainTokenizer(options: TrainTokenizerOptions): AsyncGenerator<TrainTokenizerStep, void, void> {
  checkOptions(options, trainTokenizerOptionNames, "trainTokenizer");
  const { config, signal } = options;
  const settings: TokenizerTrainSettings = withChanges(trainDefaults, options.settings);
  checkTrainSettings(settings, options.clips, options.perceptual);
  const lattice = latticeOf(config);
  const perceptual: PerceptualTerm | undefined =
    settings.stage === 2 ? { loss: options.perceptual!, scale: settings.perceptualScale } : undefined;
  const { seed = 0 } = options;
  const state = options.state ?? initialTrainState(createParams(config, seed), seed, optimizerOf(settings));
  const nextWindows = windowsOf(options.clips, settings, config, state.step);
  const steps = trainLoop<TokenizerParams, LossBatch>(
    state,
    {
      nextBatch: async (random) => drawBatch(await nextWindows(random), lattice, settings, random),
      loss: (params, batch) => mul(tokenizerLoss(params, config, batch, lattice, perceptual), 1 / settings.batchSize),
      disposeBatch: (batch) => {
        batch.clip.frames.dispose();
        batch.targets.dispose();
      },
      signal,
    },
    settings,
  );
  try {
    for await (const { state: next, report } of steps) {
      yield { state: next, report: { ...report, psnrDb: settings.stage === 1 ? psnrOfError(report.loss) : undefined } };
      if (signal?.aborted) return;
    }
  } catch (thrown) {
    if (signal?.aborted !== true || !isCoordTokError(thrown) || thrown.code !== "aborted") throw thrown;
  }
}

/** The windows of one micro-batch after another. */
function windowsOf(
  given: TrainTokenizerOptions["clips"],
  { batchSize, accumulate }: TokenizerTrainSettings,
  { clip: { frames } }: TokenizerConfig,
  step: number,
): (random: Random) => Promise<readonly RgbClip[]> {
  if ("windows" in given) {
    let taken = step * accumulate * batchSize;
    return () => {
      const first = taken;
      taken += batchSize;
      return given.windows(first, batchSize);
    };
  }
  const clips = clipSource(given);
  return async (random) => {
    const windows: RgbClip[] = [];
    for (let i = 0; i < batchSize; i++)
      windows.push(randomWindow(await clips.get(random.integer(clips.length)), frames, random));
    return windows;
  };
}

/** The PSNR in dB of a mean squared error in model range, whose values span 2. */
export function psnrOfError(meanSquaredError: number): number {
  return 10 * Math.log10(4 / meanSquaredError);
}

function clipSource(clips: readonly RgbClip[] | ClipSource): ClipSource {
  return Array.isArray(clips)
    ? { length: clips.length, get: (index) => (clips as readonly RgbClip[])[index]! }
    : (clips as ClipSource);
}

function checkTrainSettings(
  settings: TokenizerTrainSettings,
  clips: TrainTokenizerOptions["clips"],
  perceptual: PerceptualLoss | undefined,
): void {
  checkInteger(settings.batchSize, "batchSize", 1);
  checkInteger(settings.pointsPerClip, "pointsPerClip", 1);
  checkNumber(settings.perceptualScale, "perceptualScale", 0);
  checkChoice(String(settings.stage), "stage", ["1", "2"]);
  if (!("windows" in clips) && !(clips.length >= 1))
    throw new CoordTokError("input", "Expected at least one clip to train on, got none.");
  if (settings.stage === 2 && perceptual === undefined)
    throw new CoordTokError(
      "input",
      "Stage 2 needs a perceptual loss, such as LPIPS of @coordtok/metrics; pass it as `perceptual`.",
    );
}

function drawBatch(
  windows: readonly RgbClip[],
  lattice: PatchLattice,
  settings: TokenizerTrainSettings,
  random: Random,
): LossBatch {
  const draw = settings.stage === 2 ? randomFramePatches : randomPatches;
  // The clips of a batch decode equally many points, so in stage 2 the shortest clip sets the number of frames.
  const perTime = lattice.rows * lattice.columns;
  const points =
    settings.stage === 2
      ? Math.min(
          settings.pointsPerClip,
          ...windows.map((clip) => Math.floor(clip.frameCount / lattice.patch.time) * perTime),
        )
      : settings.pointsPerClip;
  const drawn = windows.map((clip) => draw(clip, lattice, Math.max(1, points), random));
  return lossBatch(windows, drawn, lattice);
}

/** Makes the tensors of a batch from clips of the model's size and the patches chosen in each. */
export function lossBatch(windows: readonly RgbClip[], drawn: readonly Int32Array[], lattice: PatchLattice): LossBatch {
  const count = drawn[0]!.length / 3;
  const { time, space } = lattice.patch;
  const values = time * space * space * 3;
  const targets = new Float32Array(drawn.length * count * values);
  drawn.forEach((own, i) => targets.set(patchTargets(windows[i]!, own, lattice.patch), i * count * values));
  return {
    clip: clipForTraining(windows),
    points: lattice.points(...drawn.map((indices) => ({ count, indices }))),
    targets: tensor3d(targets, [drawn.length, count, values]),
  };
}

/** Returns `frames` consecutive frames of a clip from a random start, or the whole clip when it is not longer. */
function randomWindow(clip: RgbClip, frames: number, random: Random): RgbClip {
  if (clip.frameCount <= frames) return clip;
  const start = random.integer(clip.frameCount - frames + 1);
  const frameBytes = clip.height * clip.width * 3;
  return { ...clip, frameCount: frames, data: clip.data.subarray(start * frameBytes, (start + frames) * frameBytes) };
}

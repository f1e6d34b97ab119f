import {
  checkChoice,
  checkInteger,
  checkNumber,
  checkOptions,
  clipFromRgb,
  CoordTokError,
  type OptionNames,
  type PerceptualLoss,
  type Random,
  type RgbClip,
} from "@coordtok/core";
import {
  adamwDefaults,
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

/** Clips to train on, by number. An array of clips is one. */
export interface ClipSource {
  /** How many clips there are. */
  readonly length: number;
  /** Clip `index`, 0 to length-1, of the model's frame size and of any length; the same at every call. */
  readonly get: (index: number) => RgbClip | Promise<RgbClip>;
}

/** How to train a tokenizer. */
export interface TokenizerTrainSettings extends LoopSettings {
  /** Clips per micro-batch, at least 1. */
  readonly batchSize: number;
  /** Patches decoded per clip and step. */
  readonly pointsPerClip: number;
  /** 1: random patches; 2: whole frames with a perceptual loss. */
  readonly stage: 1 | 2;
  /** Weight of the perceptual loss in stage 2. */
  readonly perceptualScale: number;
}

/**
 * The defaults: the paper's AdamW with a short schedule for a single machine. Several clips a step matter more than many points of
 * one clip.
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
  batchSize: 4,
  pointsPerClip: 256,
  stage: 1,
  perceptualScale: 1,
};

/** Options of {@link trainTokenizer}. */
export interface TrainTokenizerOptions {
  /** The configuration of the model. */
  readonly config: TokenizerConfig;
  /** What to train on. */
  readonly clips: readonly RgbClip[] | ClipSource;
  /** What differs from {@link trainDefaults}. */
  readonly settings?: Partial<TokenizerTrainSettings>;
  /** The state to resume from; training takes ownership of it. Without it, training starts from new parameters of `seed`. */
  readonly state?: TrainState<TokenizerParams>;
  /** Of the fresh parameters and of all draws (default 0). */
  readonly seed?: number;
  /** Stage 2 needs one. */
  readonly perceptual?: PerceptualLoss;
  /** Ends the training after the step under way; the state yielded last is complete. */
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
  /** The state after the step; it is freed when the next step is asked for, and the caller's after the last one. */
  readonly state: TrainState<TokenizerParams>;
  /** What the step did. */
  readonly report: TrainStep & {
    /** PSNR in dB that belongs to the squared error of the step's patches; in stage 2 absent. */
    readonly psnrDb: number | undefined;
  };
}

/**
 * Trains a tokenizer (paper, section 3.4). Each step draws clips, a window of the model's length in each, and patches; only these
 * patches are decoded, so memory does not depend on how many frames there are to decode.
 * @throws CoordTokError `config` for settings out of range, `input` without clips or in stage 2 without a perceptual loss.
 */
export async function* trainTokenizer(options: TrainTokenizerOptions): AsyncGenerator<TrainTokenizerStep, void, void> {
  checkOptions(options, trainTokenizerOptionNames, "trainTokenizer");
  const { config, signal } = options;
  const settings: TokenizerTrainSettings = withChanges(trainDefaults, options.settings);
  const clips = clipSource(options.clips);
  checkTrainSettings(settings, clips, options.perceptual);
  const lattice = latticeOf(config);
  const perceptual: PerceptualTerm | undefined =
    settings.stage === 2 ? { loss: options.perceptual!, scale: settings.perceptualScale } : undefined;
  const { seed = 0 } = options;
  const state = options.state ?? initialTrainState(createParams(config, seed), seed, optimizerOf(settings));
  const steps = trainLoop<TokenizerParams, LossBatch>(
    state,
    {
      nextBatch: (random) => drawBatch(clips, config, lattice, settings, random),
      loss: (params, batch) => mul(tokenizerLoss(params, config, batch, lattice, perceptual), 1 / settings.batchSize),
      disposeBatch: (batch) => {
        batch.clip.frames.dispose();
        batch.targets.dispose();
      },
    },
    settings,
  );
  for await (const { state: next, report } of steps) {
    yield { state: next, report: { ...report, psnrDb: settings.stage === 1 ? psnrOfError(report.loss) : undefined } };
    if (signal?.aborted) return;
  }
}

/** PSNR in dB of a mean squared error in model range, whose values span 2. */
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
  clips: ClipSource,
  perceptual: PerceptualLoss | undefined,
): void {
  checkInteger(settings.batchSize, "batchSize", 1);
  checkInteger(settings.pointsPerClip, "pointsPerClip", 1);
  checkNumber(settings.perceptualScale, "perceptualScale", 0);
  checkChoice(String(settings.stage), "stage", ["1", "2"]);
  if (!(clips.length >= 1)) throw new CoordTokError("input", "Expected at least one clip to train on, got none.");
  if (settings.stage === 2 && perceptual === undefined)
    throw new CoordTokError(
      "input",
      "Stage 2 needs a perceptual loss, such as LPIPS of @coordtok/metrics; pass it as `perceptual`.",
    );
}

async function drawBatch(
  clips: ClipSource,
  config: TokenizerConfig,
  lattice: PatchLattice,
  settings: TokenizerTrainSettings,
  random: Random,
): Promise<LossBatch> {
  const windows: RgbClip[] = [];
  for (let i = 0; i < settings.batchSize; i++)
    windows.push(randomWindow(await clips.get(random.integer(clips.length)), config.clip.frames, random));
  const draw = settings.stage === 2 ? randomFramePatches : randomPatches;
  // Clips of one batch decode the same number of points, so in stage 2 the shortest one sets how many frames.
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

/** The tensors of a batch from clips of the model's size and the patches chosen in each. */
export function lossBatch(windows: readonly RgbClip[], drawn: readonly Int32Array[], lattice: PatchLattice): LossBatch {
  const count = drawn[0]!.length / 3;
  const { time, space } = lattice.patch;
  const values = time * space * space * 3;
  const targets = new Float32Array(drawn.length * count * values);
  drawn.forEach((own, i) => targets.set(patchTargets(windows[i]!, own, lattice.patch), i * count * values));
  return {
    clip: clipFromRgb(windows),
    points: lattice.points(...drawn.map((indices) => ({ count, indices }))),
    targets: tensor3d(targets, [drawn.length, count, values]),
  };
}

/** `frames` consecutive frames of a clip from a random start; the whole clip when it is not longer. */
function randomWindow(clip: RgbClip, frames: number, random: Random): RgbClip {
  if (clip.frameCount <= frames) return clip;
  const start = random.integer(clip.frameCount - frames + 1);
  const frameBytes = clip.height * clip.width * 3;
  return { ...clip, frameCount: frames, data: clip.data.subarray(start * frameBytes, (start + frames) * frameBytes) };
}

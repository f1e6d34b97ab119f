import {
  checkChoice,
  checkInteger,
  checkNumber,
  checkOptions,
  CoordTokError,
  isCoordTokError,
  disposeTree,
  type OptionNames,
  type Random,
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
import {
  normalize,
  stackTriplanes,
  type LabelledTriplane,
  type NormalizedTriplane,
  type TriplaneStats,
} from "@coordtok/triplane";
import { mean } from "@tensorflow/tfjs-core";
import { dropLabels } from "../model/conditioning.js";
import type { SiTConfig } from "../config.js";
import { trainingInterval } from "../flow/interval.js";
import {
  drawTimes,
  flowLoss,
  timeDistributions,
  weightings,
  type TimeDistribution,
  type Weighting,
} from "../flow/objective.js";
import { createParams, type SiTParams } from "../model/params.js";
import { defaultFlow, type Flow } from "../flow/prediction.js";
import { sit } from "../model/sit.js";
import { normalLike } from "../flow/tree-math.js";

/** The settings of a generator training. */
export interface DiffusionTrainSettings extends LoopSettings {
  /** Number of clips per micro-batch, at least 1. */
  readonly batchSize: number;
  /** The distribution that times are drawn from. */
  readonly times: TimeDistribution;
  /** For `logit-normal` times: the mean of the normal number; a larger one gives times closer to data. */
  readonly timesMean: number;
  /** For `logit-normal` times: the standard deviation of the normal number. */
  readonly timesDeviation: number;
  /** The weight of a noise or score loss over time. */
  readonly weighting: Weighting;
}

/** The default settings: AdamW without weight decay as published (`docs/spec.md#adamw`), with a short schedule for a single machine. */
export const trainDefaults: DiffusionTrainSettings = {
  ...adamwDefaults,
  weightDecay: 0,
  learningRate: 5e-4,
  warmupSteps: 100,
  totalSteps: 2000,
  finalFraction: 0.05,
  accumulate: 1,
  clipNorm: 1,
  emaDecay: 0.999,
  optimizer: "adamw",
  muonRate: 0.01,
  batchSize: 8,
  times: "logit-normal",
  timesMean: 0,
  timesDeviation: 1,
  weighting: "none",
};

/** Options of {@link trainDiffusion}. */
export interface TrainDiffusionOptions {
  /** The configuration of the model. */
  readonly config: SiTConfig;
  /** The path from noise to data and the quantity that the model predicts (default: linear, velocity). */
  readonly flow?: Flow | undefined;
  /**
   * The triplanes to train on, not normalised, in the order of training: cached latents, or a live encoder. Each is freed once it
   * has been used. The source must last as long as the training; a resumed training needs the triplanes that follow the first
   * {@link clipsTaken} of its state.
   */
  readonly latents: AsyncIterable<LabelledTriplane>;
  /** The statistics that the triplanes are normalised with. */
  readonly statistics: TriplaneStats;
  /** The settings that differ from {@link trainDefaults}. */
  readonly settings?: Partial<DiffusionTrainSettings>;
  /** The state to resume from; training takes ownership of it. Without it, training starts from new parameters of `seed`. */
  readonly state?: TrainState<SiTParams>;
  /** The seed of the new parameters and of all draws (default 0). */
  readonly seed?: number;
  /** Ends the training after the step in progress; the last state yielded is complete. */
  readonly signal?: AbortSignal | undefined;
}

const trainDiffusionOptionNames: OptionNames<TrainDiffusionOptions> = {
  config: true,
  flow: true,
  latents: true,
  statistics: true,
  settings: true,
  state: true,
  seed: true,
  signal: true,
};

/** One step of training. */
export interface TrainDiffusionStep {
  /** The state after the step. It is freed when the next step is requested; after the last step the caller owns it. */
  readonly state: TrainState<SiTParams>;
  /** What the step measured. */
  readonly report: TrainStep;
}

/** The number of clips that a training has taken from its latents after some steps. */
export function clipsTaken(
  step: number,
  { accumulate, batchSize }: Pick<DiffusionTrainSettings, "accumulate" | "batchSize">,
): number {
  return step * accumulate * batchSize;
}

interface Batch {
  readonly data: NormalizedTriplane;
  readonly noise: NormalizedTriplane;
  readonly times: Float32Array;
  readonly labels: Int32Array;
}

/**
 * Trains a generator on triplanes (paper, section 3.5). Each step draws clips, noise and times, and trains the model to predict the
 * flow's quantity on the path between noise and clip.
 * @throws CoordTokError `config` for settings out of range, `input` when the latents end before the training does or have unknown labels.
 */
export async function* trainDiffusion(options: TrainDiffusionOptions): AsyncGenerator<TrainDiffusionStep, void, void> {
  checkOptions(options, trainDiffusionOptionNames, "trainDiffusion");
  const { config, flow = defaultFlow, signal, seed = 0 } = options;
  const settings: DiffusionTrainSettings = withChanges(trainDefaults, options.settings);
  checkTrainSettings(settings);
  const latents = options.latents[Symbol.asyncIterator]();
  const state = options.state ?? initialTrainState(createParams(config, seed), seed, optimizerOf(settings));
  const steps = trainLoop<SiTParams, Batch>(
    state,
    {
      nextBatch: async (random) => drawBatch(await takeClips(latents, settings.batchSize), options, settings, random),
      loss: (params, { data, noise, times, labels }) =>
        mean(
          flowLoss(
            (noisy, at) => sit(params, config, noisy, at, labels),
            flow,
            { data, noise, times },
            settings.weighting,
          ),
        ),
      disposeBatch: ({ data, noise }) => {
        disposeTree([data, noise]);
      },
      signal,
    },
    settings,
  );
  try {
    for await (const step of steps) {
      yield step;
      if (signal?.aborted) return;
    }
  } catch (thrown) {
    // Stopped within a step, which is then not taken.
    if (signal?.aborted !== true || !isCoordTokError(thrown) || thrown.code !== "aborted") throw thrown;
  } finally {
    await latents.return?.();
  }
}

function checkTrainSettings(settings: DiffusionTrainSettings): void {
  checkInteger(settings.batchSize, "batchSize", 1);
  checkChoice(settings.times, "times", timeDistributions);
  checkChoice(settings.weighting, "weighting", weightings);
  checkNumber(settings.timesMean, "timesMean", -100, 100);
  checkNumber(settings.timesDeviation, "timesDeviation", 0);
}

/** Takes at least `count` clips from the latents, one after another. */
async function takeClips(latents: AsyncIterator<LabelledTriplane>, count: number): Promise<LabelledTriplane> {
  const taken: LabelledTriplane[] = [];
  try {
    for (let clips = 0; clips < count; clips += taken.at(-1)!.labels.length) {
      const next = await latents.next();
      if (next.done === true)
        throw new CoordTokError(
          "input",
          "The latents ended before the training did; give a source that starts over, or fewer steps.",
        );
      taken.push(next.value);
    }
    return {
      triplane: stackTriplanes(taken.map(({ triplane }) => triplane)),
      labels: taken.flatMap(({ labels }) => labels),
    };
  } finally {
    for (const { triplane } of taken) disposeTree(triplane);
  }
}

/** Normalises the clips, draws noise, times and the labels to drop, and frees the clips. */
function drawBatch(
  { triplane, labels }: LabelledTriplane,
  { config, flow = defaultFlow, statistics }: TrainDiffusionOptions,
  settings: DiffusionTrainSettings,
  random: Random,
): Batch {
  try {
    const data = normalize(triplane, statistics);
    const noise = normalLike(
      data,
      labels.map(() => random),
    );
    const times = drawTimes(labels.length, settings.times, trainingInterval(flow), random, {
      mean: settings.timesMean,
      deviation: settings.timesDeviation,
    });
    return { data, noise, times, labels: dropLabels(labels, config, random) };
  } finally {
    disposeTree(triplane);
  }
}

import {
  checkChoice,
  checkInteger,
  checkNumber,
  checkOptions,
  CoordTokError,
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

/** How to train a generator. */
export interface DiffusionTrainSettings extends LoopSettings {
  /** Clips per micro-batch, at least 1. */
  readonly batchSize: number;
  /** How times are drawn. */
  readonly times: TimeDistribution;
  /** With `logit-normal` times: the mean of the normal number; more is nearer to data. */
  readonly timesMean: number;
  /** With `logit-normal` times: its standard deviation. */
  readonly timesDeviation: number;
  /** The weight of a noise or score loss over time. */
  readonly weighting: Weighting;
}

/** The defaults: AdamW without weight decay as published (`docs/spec.md#adamw`), with a short schedule for a single machine. */
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
  /** The path from noise to data and what the model predicts (default: straight, velocity). */
  readonly flow?: Flow | undefined;
  /**
   * What to train on, not normalised, in the order of training: cached latents, or a live encoder. Each triplane is freed once it has
   * been used. It must last as long as the training; a resumed training needs those that come after
   * {@link clipsTaken} of its state.
   */
  readonly latents: AsyncIterable<LabelledTriplane>;
  /** The statistics that they are normalised with. */
  readonly statistics: TriplaneStats;
  /** What differs from {@link trainDefaults}. */
  readonly settings?: Partial<DiffusionTrainSettings>;
  /** The state to resume from; training takes ownership of it. Without it, training starts from new parameters of `seed`. */
  readonly state?: TrainState<SiTParams>;
  /** Of the fresh parameters and of all draws (default 0). */
  readonly seed?: number;
  /** Ends the training after the step under way; the state yielded last is complete. */
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
  /** The state after the step; it is freed when the next step is asked for, and the caller's after the last one. */
  readonly state: TrainState<SiTParams>;
  /** What the step did. */
  readonly report: TrainStep;
}

/** How many clips a training has taken from its latents after some steps. */
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
 * Trains a generator on triplanes (paper, section 3.5): each step takes clips, noise and times, and learns what leads from one to the
 * other.
 * @throws CoordTokError `config` for settings out of range, `input` when the latents end before the training or have unknown labels.
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
    },
    settings,
  );
  try {
    for await (const step of steps) {
      yield step;
      if (signal?.aborted) return;
    }
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

/** At least `count` clips of the latents, one after the other. */
async function takeClips(latents: AsyncIterator<LabelledTriplane>, count: number): Promise<LabelledTriplane> {
  const taken: LabelledTriplane[] = [];
  try {
    for (let clips = 0; clips < count; clips += taken.at(-1)!.labels.length) {
      const next = await latents.next();
      if (next.done === true)
        throw new CoordTokError(
          "input",
          "The latents ended before the training did; give a source that begins anew, or fewer steps.",
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

/** Normalises the clips and draws noise, times and which labels are dropped; frees the clips. */
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

import {
  areFinite,
  checkInteger,
  checkNumber,
  checkOptions,
  CoordTokError,
  disposeTree,
  longCallOptionNames,
  macrotask,
  type Clip,
  type LongCallOptions,
  type OptionNames,
} from "@coordtok/core";
import { withFixedWeights } from "@coordtok/core/nn";
import { lossAndGradients } from "@coordtok/core/train";
import { mapPlanes, sliceTriplane, stackTriplanes, triplaneShape, type Triplane } from "@coordtok/triplane";
import {
  abs,
  add,
  clone,
  divNoNan,
  mean,
  mul,
  slice,
  tidy,
  type Scalar,
  type Tensor,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import type { AnyTokenizer } from "../open-tokenizer.js";
import { ChannelAdam } from "./channel-adam.js";
import { clipPieces, squaredError, type Pieces } from "./pieces.js";
import {
  checkRounding,
  rateCost,
  rateGradient,
  roundPlanes,
  type RefineRounding,
  type RoundingPlan,
} from "./rounding.js";

/** Options of {@link refine}. The signal ends it after the step under way, and what is reached is kept. */
export interface RefineOptions extends LongCallOptions {
  /** Steps for each clip, at least 0 (default 20, unless `seconds` is given). The result is then the same at every call on one backend. */
  readonly steps?: number | undefined;
  /** Instead of `steps`: how long to work on all clips together, in seconds. */
  readonly seconds?: number | undefined;
  /** Of the first step, in units of the mean magnitude of a channel (default 0.1). */
  readonly learningRate?: number | undefined;
  /** Of the last step, likewise (default 0.01, or `learningRate` where that is less). */
  readonly finalLearningRate?: number | undefined;
  /** Rounds the planes: what is decoded, measured and given are multiples of a step, chosen for few bits as well (default: not rounded). */
  readonly rounding?: RefineRounding | undefined;
}

const refineOptionNames: OptionNames<RefineOptions> = {
  ...longCallOptionNames,
  steps: true,
  seconds: true,
  learningRate: true,
  finalLearningRate: true,
  rounding: true,
};

/** What {@link refine} gives. */
export interface Refinement {
  /** The best planes that were seen, owned by the caller. */
  readonly triplane: Triplane;
  /** PSNR of each clip with the planes given, rounded where that is asked for, in dB, one error over all values of the clip, pixels cut to the range that is shown. */
  readonly startPsnrDb: readonly number[];
  /** The same with the best planes; never less, unless they are rounded, where bits count as well. */
  readonly psnrDb: readonly number[];
  /** Steps that were taken for each clip. */
  readonly steps: readonly number[];
}

/**
 * Improves the planes of clips with the decoder fixed (`docs/spec.md#refinement`): Adam on every number of the planes, in units of its channel's
 * mean magnitude, toward the smallest squared error of the decoded pixels, with one second moment for each channel. A channel that is 0 throughout has been dropped and stays 0.
 * @param tokenizer of either form; its decoder is enough.
 * @param clip what was encoded, `[B, T, H, W, 3]` in [-1, 1].
 * @param triplane the planes of the B clips; they stay as they are.
 * @throws CoordTokError `config` for options out of range, `shape` for planes of other clips or of another model, `not-finite`.
 */
export async function refine(
  tokenizer: AnyTokenizer,
  clip: Clip,
  triplane: Triplane,
  options: RefineOptions = {},
): Promise<Refinement> {
  checkOptions(options, refineOptionNames, "refine");
  const { batch } = triplaneShape(triplane);
  const plan = refinePlan(options, batch);
  if (clip.frames.shape[0] !== batch || clip.validFrames.length !== batch)
    throw new CoordTokError(
      "shape",
      `Expected the ${batch} clips of the planes to refine, got ${clip.frames.shape[0]}.`,
    );
  const refined: RefinedClip[] = [];
  try {
    for (let index = 0; index < batch; index++) {
      const [one, planes] = [sliceClip(clip, index), sliceTriplane(triplane, index)];
      try {
        refined.push(await refineClip(tokenizer, one, planes, { ...plan, index }));
      } finally {
        disposeTree([one.frames, planes]);
      }
    }
    return {
      triplane: stackTriplanes(refined.map((result) => result.triplane)),
      startPsnrDb: refined.map(({ startPsnrDb }) => startPsnrDb),
      psnrDb: refined.map(({ psnrDb }) => psnrDb),
      steps: refined.map(({ steps }) => steps),
    };
  } finally {
    disposeTree(refined.map((result) => result.triplane));
  }
}

/** How to refine, checked. */
interface RefinePlan {
  readonly steps: number | undefined;
  /** For each clip, where there is no number of steps. */
  readonly seconds: number;
  readonly learningRate: number;
  readonly finalLearningRate: number;
  readonly rounding: RoundingPlan | undefined;
  readonly clips: number;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: LongCallOptions["onProgress"];
}

function refinePlan(options: RefineOptions, clips: number): RefinePlan {
  const { seconds, learningRate = 0.1, finalLearningRate = Math.min(0.01, learningRate) } = options;
  if (seconds !== undefined && options.steps !== undefined)
    throw new CoordTokError("config", "Expected either a number of steps or of seconds to refine planes, got both.");
  if (seconds !== undefined) checkNumber(seconds, "seconds", 0);
  checkNumber(learningRate, "learningRate", 0);
  checkNumber(finalLearningRate, "finalLearningRate", 0, learningRate);
  const steps = seconds === undefined ? checkInteger(options.steps ?? 20, "steps", 0) : undefined;
  const { signal, onProgress } = options;
  const rounding = options.rounding === undefined ? undefined : checkRounding(options.rounding);
  return {
    steps,
    seconds: (seconds ?? 0) / clips,
    learningRate,
    finalLearningRate,
    rounding,
    clips,
    signal,
    onProgress,
  };
}

function sliceClip({ frames, validFrames }: Clip, index: number): Clip {
  const [, ...size] = frames.shape;
  return { frames: slice(frames, [index, 0, 0, 0, 0], [1, ...size]), validFrames: [validFrames[index]!] };
}

interface RefinedClip {
  readonly triplane: Triplane;
  readonly startPsnrDb: number;
  readonly psnrDb: number;
  readonly steps: number;
}

async function refineClip(
  tokenizer: AnyTokenizer,
  clip: Clip,
  start: Triplane,
  plan: RefinePlan & { readonly index: number },
): Promise<RefinedClip> {
  await checkFinite([clip.frames, start.xy, start.yt, start.xt]);
  const parts = clipPieces(tokenizer, clip, triplaneShape(start));
  const scale = channelScale(start);
  const clock = progressClock(plan);
  const optimizer = new ChannelAdam();
  let params = tidy(() => mapPlanes((plane) => divNoNan(start[plane], scale[plane])));
  let best: Evaluation | undefined;
  let startError = 0;
  let step = 0;
  try {
    for (; ; step++) {
      // The planes as they were given, not as they are after a division and a product.
      const planes = step === 0 ? cloneTriplane(start) : planesOf(params, scale);
      const { gradients, ...seen } = await evaluate(parts, planes, clock(step) < 1, plan.rounding);
      if (step === 0) startError = seen.error;
      const isBetter = best === undefined || seen.cost < best.cost;
      disposeTree(isBetter ? best?.triplane : seen.triplane);
      if (isBetter) best = seen;
      report(plan, step, psnrDbOf(best!.error, parts));
      if (gradients === undefined) break;
      const ofUnits = planesOf(gradients, scale);
      const moved = optimizer.step(params, ofUnits, rateAt(plan, clock(step)));
      disposeTree([gradients, ofUnits, params]);
      params = moved;
      await macrotask();
      if (plan.signal?.aborted) break;
    }
  } catch (thrown) {
    disposeTree(best?.triplane);
    throw thrown;
  } finally {
    optimizer.dispose();
    disposeTree([params, scale, parts.pieces.map(({ target, mask }) => [target, mask])]);
  }
  const { triplane, error } = best!;
  return { triplane, startPsnrDb: psnrDbOf(startError, parts), psnrDb: psnrDbOf(error, parts), steps: step };
}

/** Throws for numbers that are not finite: a backend may cut them to the range of pixels. @throws CoordTokError `not-finite`. */
async function checkFinite(tensors: readonly Tensor[]): Promise<void> {
  for (const tensor of tensors) {
    const values = (await tensor.data()) as Float32Array;
    if (!areFinite(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), "F32"))
      throw new CoordTokError("not-finite", "Expected a clip and planes of finite numbers to refine, got others.");
  }
}

/** How much of the work is done before a step, 0 to 1. */
function progressClock({ steps, seconds }: RefinePlan): (step: number) => number {
  const started = performance.now();
  return (step) => (steps === undefined ? Math.min(1, (performance.now() - started) / 1000 / seconds) : step / steps);
}

/** The learning rate falls along a straight line. */
function rateAt({ steps, learningRate, finalLearningRate }: RefinePlan, progress: number): number {
  const share = steps === undefined || steps < 2 ? progress : (progress * steps) / (steps - 1);
  return learningRate + (finalLearningRate - learningRate) * share;
}

function report(
  { onProgress, steps, clips, index }: RefinePlan & { readonly index: number },
  done: number,
  psnrDb: number,
): void {
  onProgress?.({
    task: "refine",
    done: index * (steps ?? 0) + done,
    ...(steps === undefined ? {} : { total: clips * steps }),
    unit: "steps",
    detail: `${psnrDb.toFixed(2)} dB`,
  });
}

/** PSNR in dB of a sum of squared errors in [-1, 1]. */
function psnrDbOf(error: number, { values }: Pieces): number {
  return 10 * Math.log10((4 * values) / error);
}

function cloneTriplane(triplane: Triplane): Triplane {
  return mapPlanes((plane) => clone(triplane[plane]));
}

/** The mean magnitude of each channel of each plane, `[1, 1, 1, C]`. */
function channelScale(triplane: Triplane): Triplane {
  return mapPlanes((plane) => tidy(() => mean(abs(triplane[plane]), [0, 1, 2], true)));
}

/** Planes in units of their channels times the units. */
function planesOf(params: Triplane, scale: Triplane): Triplane {
  return tidy(() => mapPlanes((plane) => mul<Tensor4D>(params[plane], scale[plane])));
}

/** Planes and what came of them. */
interface Evaluation {
  /** The planes that were decoded. */
  readonly triplane: Triplane;
  /** The sum of squared errors. */
  readonly error: number;
  /** The error and, of rounded planes, the price of their bits. */
  readonly cost: number;
}

/**
 * Decodes planes, rounded where that is asked for; the gradient passes the rounding as if it were not there.
 * @param planes are taken over.
 */
async function evaluate(
  { pieces }: Pieces,
  planes: Triplane,
  isGradientWanted: boolean,
  rounding: RoundingPlan | undefined,
): Promise<Evaluation & { readonly gradients: Triplane | undefined }> {
  const triplane = rounding === undefined ? planes : roundPlanes(planes, rounding);
  let gradients: Triplane | undefined;
  let error = 0;
  try {
    for (const piece of pieces) {
      const errorOf = (given: Triplane): Scalar => squaredError(piece.decode(given), piece);
      const part = isGradientWanted
        ? withFixedWeights(() => lossAndGradients(triplane, errorOf))
        : { loss: tidy(() => errorOf(triplane)), gradients: undefined };
      gradients = addGradients(gradients, part.gradients);
      const [value] = await part.loss.data();
      part.loss.dispose();
      error += value!;
    }
    if (rounding === undefined) return { triplane, error, cost: error, gradients };
    if (gradients !== undefined) gradients = addGradients(gradients, rateGradient(planes, rounding));
    const cost = error + (await rateCost(triplane, rounding));
    disposeTree(planes);
    return { triplane, error, cost, gradients };
  } catch (thrown) {
    disposeTree([planes, rounding === undefined ? undefined : triplane, gradients]);
    throw thrown;
  }
}

/** A sum; its terms are freed. */
function addGradients(sum: Triplane | undefined, term: Triplane | undefined): Triplane | undefined {
  if (sum === undefined || term === undefined) return term;
  const total = mapPlanes((plane) => add(sum[plane], term[plane]));
  disposeTree([sum, term]);
  return total;
}

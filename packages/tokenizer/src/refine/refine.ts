import {
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
import { adamw, lossAndGradients } from "@coordtok/core/train";
import { mapPlanes, sliceTriplane, stackTriplanes, triplaneShape, type Triplane } from "@coordtok/triplane";
import { abs, add, clone, divNoNan, mean, mul, slice, tidy, type Scalar, type Tensor4D } from "@tensorflow/tfjs-core";
import type { AnyTokenizer } from "../open-tokenizer.js";
import { clipPieces, squaredError, type Pieces } from "./pieces.js";

/** Options of {@link refine}. The signal ends it after the step under way, and what is reached is kept. */
export interface RefineOptions extends LongCallOptions {
  /** Steps for each clip, at least 0 (default 20, unless `seconds` is given). The result is then the same at every call on one backend. */
  readonly steps?: number | undefined;
  /** Instead of `steps`: how long to work on all clips together, in seconds. */
  readonly seconds?: number | undefined;
  /** Of the first step, in units of the mean magnitude of a channel (default 0.05). */
  readonly learningRate?: number | undefined;
  /** Of the last step, likewise (default 0.005). */
  readonly finalLearningRate?: number | undefined;
}

const refineOptionNames: OptionNames<RefineOptions> = {
  ...longCallOptionNames,
  steps: true,
  seconds: true,
  learningRate: true,
  finalLearningRate: true,
};

/** What {@link refine} gives. */
export interface Refinement {
  /** The best planes that were seen, owned by the caller. */
  readonly triplane: Triplane;
  /** PSNR of each clip with the planes given, in dB, one error over all values of the clip, pixels cut to the range that is shown. */
  readonly startPsnrDb: readonly number[];
  /** The same with the best planes; never less. */
  readonly psnrDb: readonly number[];
  /** Steps that were taken for each clip. */
  readonly steps: readonly number[];
}

/**
 * Improves the planes of clips with the decoder fixed (`docs/spec.md#refinement`): Adam on every number of the planes, in units of its channel's
 * mean magnitude, toward the smallest squared error of the decoded pixels. A channel that is 0 throughout has been dropped and stays 0.
 * @param tokenizer of either form; its decoder is enough.
 * @param clip what was encoded, `[B, T, H, W, 3]` in [-1, 1].
 * @param triplane the planes of the B clips; they stay as they are.
 * @throws CoordTokError `config` for options out of range, `shape` for planes of other clips or of another model.
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
  readonly clips: number;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: LongCallOptions["onProgress"];
}

function refinePlan(options: RefineOptions, clips: number): RefinePlan {
  const { seconds, learningRate = 0.05, finalLearningRate = 0.005 } = options;
  if (seconds !== undefined && options.steps !== undefined)
    throw new CoordTokError("config", "Expected either a number of steps or of seconds to refine planes, got both.");
  if (seconds !== undefined) checkNumber(seconds, "seconds", 0);
  checkNumber(learningRate, "learningRate", 0);
  checkNumber(finalLearningRate, "finalLearningRate", 0, learningRate);
  const steps = seconds === undefined ? checkInteger(options.steps ?? 20, "steps", 0) : undefined;
  const { signal, onProgress } = options;
  return { steps, seconds: (seconds ?? 0) / clips, learningRate, finalLearningRate, clips, signal, onProgress };
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
  const parts = clipPieces(tokenizer, clip);
  const scale = channelScale(start);
  const clock = progressClock(plan);
  const optimizer = adamw((step) => rateAt(plan, clock(step)), adamSettings);
  let params = tidy(() => mapPlanes((plane) => divNoNan(start[plane], scale[plane])));
  let state = optimizer.init(params);
  let best = { triplane: cloneTriplane(start), error: Infinity };
  let startError: number | undefined;
  let step = 0;
  try {
    for (; ; step++) {
      const isLast = clock(step) >= 1;
      const { planes, error, gradients } = await evaluate(parts, params, scale, !isLast);
      startError ??= error;
      // The planes as they were given, not as they are after a division and a product.
      const current = step === 0 ? cloneTriplane(start) : planes;
      if (step === 0) disposeTree(planes);
      disposeTree(error < best.error ? best.triplane : current);
      if (error < best.error) best = { triplane: current, error };
      report(plan, step, psnrDbOf(best.error, parts));
      if (gradients === undefined) break;
      const change = optimizer.update({ step, params, gradients }, state);
      disposeTree([gradients, params, state]);
      ({ params, state } = change);
      await macrotask();
      if (plan.signal?.aborted) break;
    }
  } catch (thrown) {
    disposeTree(best.triplane);
    throw thrown;
  } finally {
    disposeTree([params, state, scale, parts.pieces.map(({ target, mask }) => [target, mask])]);
  }
  const [startPsnrDb, psnrDb] = [startError, best.error].map((error) => psnrDbOf(error, parts)) as [number, number];
  return { triplane: best.triplane, startPsnrDb, psnrDb, steps: step };
}

const adamSettings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-12, weightDecay: 0 };

/** How much of the work is done before a step, 0 to 1. */
function progressClock({ steps, seconds }: RefinePlan): (step: number) => number {
  const started = performance.now();
  return (step) => (steps === undefined ? Math.min(1, (performance.now() - started) / 1000 / seconds) : step / steps);
}

/** The learning rate falls by the same factor with every step. */
function rateAt({ steps, learningRate, finalLearningRate }: RefinePlan, progress: number): number {
  const share = steps === undefined || steps < 2 ? progress : (progress * steps) / (steps - 1);
  return learningRate * (finalLearningRate / learningRate) ** share;
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

/** The squared error of planes in units of their channels, and its gradient where it is asked for. All of it is the caller's. */
async function evaluate(
  { pieces }: Pieces,
  params: Triplane,
  scale: Triplane,
  isGradientWanted: boolean,
): Promise<{ planes: Triplane; error: number; gradients: Triplane | undefined }> {
  const planes = tidy(() => mapPlanes((plane) => mul<Tensor4D>(params[plane], scale[plane])));
  let gradients: Triplane | undefined;
  let error = 0;
  try {
    for (const piece of pieces) {
      const errorOf = (triplane: Triplane): Scalar => squaredError(piece.decode(triplane), piece);
      const part = isGradientWanted
        ? withFixedWeights(() => lossAndGradients(planes, errorOf))
        : { loss: tidy(() => errorOf(planes)), gradients: undefined };
      gradients = addGradients(gradients, part.gradients);
      const [value] = await part.loss.data();
      part.loss.dispose();
      error += value!;
    }
    if (gradients === undefined) return { planes, error, gradients };
    const ofPlanes = gradients;
    gradients = tidy(() => mapPlanes((plane) => mul<Tensor4D>(ofPlanes[plane], scale[plane])));
    disposeTree(ofPlanes);
    return { planes, error, gradients };
  } catch (thrown) {
    disposeTree([planes, gradients]);
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

import {
  add,
  concat,
  dispose,
  matMul,
  mean,
  mul,
  reshape,
  sum,
  tensor,
  tidy,
  type Tensor2D,
  type Tensor5D,
} from "@tensorflow/tfjs-core";
import { checkShape, CoordTokError, macrotask, throwIfAborted } from "@coordtok/core";
import { convolve3dSteps, drained, maxPool3d, type Extent3d } from "./convolution3d.js";
import { i3dFeatureWidth, i3dLayers, type I3dConvolution, type I3dLayer } from "./i3d-layers.js";
import type { I3dParams } from "./i3d-params.js";

/** An output of I3D: the outputs of the classifier, which the official FVD uses, or the 1024 features before it. */
export type I3dOutput = "logits" | "pooled";

const cube: Extent3d = { time: 3, space: 3 };
const step: Extent3d = { time: 1, space: 1 };
/** The window of the average pool after the last end point. */
const poolFrames = 2;
const poolSide = 7;

/**
 * Applies InceptionI3d to clips: an average pool of 2x7x7 over the last end point, the classifier for `logits`, and the mean over
 * time (`docs/spec.md#i3d`).
 * @param clips `[B, T, H, W, 3]` in [-1, 1], as {@link fvdPreprocess} returns them: H and W 193 to 224, T at least 9.
 * @param output the output to return (default `logits`).
 * @returns `[B, classes]` or `[B, 1024]`, owned by the caller.
 * @throws CoordTokError `shape` for frames of another size, or too few.
 */
export function i3d(params: I3dParams, clips: Tensor5D, output: I3dOutput = "logits"): Tensor2D {
  checkShape(clips, [undefined, undefined, undefined, undefined, 3], "the clips");
  checkClipSize(clips.shape);
  return tidy(() => outputOf(params, i3dEndPoints(params, clips), output));
}

/** @param values the last end point, which is disposed of. */
function outputOf(params: I3dParams, values: Tensor5D, output: I3dOutput): Tensor2D {
  const pooled = pooledFeatures(values);
  values.dispose();
  return output === "pooled" ? pooled : add(matMul(pooled, params.classifierKernel), params.classifierBias);
}

/**
 * Computes the end points of InceptionI3d in turn, up to `Mixed_5c`.
 * @param clips `[B, T, H, W, 3]` in [-1, 1], of any size.
 * @param onEndPoint called with the name and values `[B, T', H', W', C]` of each end point; all but the last are freed later.
 * @returns the values of the last end point, owned by the caller.
 */
export function i3dEndPoints(
  params: I3dParams,
  clips: Tensor5D,
  onEndPoint?: (name: string, values: Tensor5D) => void,
): Tensor5D {
  return drained(endPointSteps(params, clips, onEndPoint));
}

/** Options of {@link i3dInSteps}. */
export interface I3dStepsOptions {
  /** Stops between two steps. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each step with the share of the work that is done, 0 to 1. */
  readonly onShare?: ((share: number) => void) | undefined;
}

/**
 * {@link i3d} in steps of about a second at most on one core, between which signals and timers are served: a window of many frames takes minutes without a
 * graphics card.
 * @returns `[B, classes]` or `[B, 1024]`, owned by the caller.
 * @throws CoordTokError `shape`, `aborted`.
 */
export async function i3dInSteps(
  params: I3dParams,
  clips: Tensor5D,
  output: I3dOutput,
  { signal, onShare }: I3dStepsOptions,
): Promise<Tensor2D> {
  checkClipSize(clips.shape);
  const steps = endPointSteps(params, clips);
  const total = workOf(clips.shape);
  let done = 0;
  try {
    for (;;) {
      throwIfAborted(signal);
      const step = steps.next();
      if (step.done === true) return tidy(() => outputOf(params, step.value, output));
      done += step.value;
      onShare?.(Math.min(1, done / total));
      await macrotask();
    }
  } finally {
    // Frees what is left of steps that are not taken.
    steps.return(clips);
  }
}

/** The number of multiplications of all convolutions. */
function workOf([clips, ...size]: Tensor5D["shape"]): number {
  let [time, height, width] = size.slice(0, 3) as [number, number, number];
  let work = 0;
  const add = ({ size: side, inputs, outputs }: I3dConvolution): void => {
    work += clips * time * height * width * side ** 3 * inputs * outputs;
  };
  for (const layer of i3dLayers) {
    const stride = layer.kind === "mixed" ? step : layer.stride;
    [time, height, width] = [time / stride.time, height / stride.space, width / stride.space].map(Math.ceil) as [
      number,
      number,
      number,
    ];
    if (layer.kind === "convolution") add(layer.convolution);
    else if (layer.kind === "mixed") for (const one of Object.values(layer.convolutions)) add(one);
  }
  return work;
}

function* endPointSteps(
  params: I3dParams,
  clips: Tensor5D,
  onEndPoint?: (name: string, values: Tensor5D) => void,
): Generator<number, Tensor5D, void> {
  let values = clips;
  let isDone = false;
  try {
    for (const layer of i3dLayers) {
      const next = yield* layerSteps(params, layer, values);
      if (values !== clips) values.dispose();
      values = next;
      onEndPoint?.(layer.name, values);
    }
    isDone = true;
    return values;
  } finally {
    if (!isDone && values !== clips) values.dispose();
  }
}

function* layerSteps(params: I3dParams, layer: I3dLayer, x: Tensor5D): Generator<number, Tensor5D, void> {
  const convolve = (
    { name }: I3dConvolution,
    input: Tensor5D,
    stride: Extent3d = step,
  ): Generator<number, Tensor5D, void> => convolve3dSteps(params.convolutions[name]!, input, stride);
  if (layer.kind === "convolution") return yield* convolve(layer.convolution, x, layer.stride);
  if (layer.kind === "max-pool") return maxPool3d(x, layer.size, layer.stride);
  const { b0, b1a, b1b, b2a, b2b, b3b } = layer.convolutions;
  const made: Tensor5D[] = [];
  const keep = (tensor: Tensor5D): Tensor5D => {
    made.push(tensor);
    return tensor;
  };
  try {
    const branches = [
      keep(yield* convolve(b0, x)),
      keep(yield* convolve(b1b, keep(yield* convolve(b1a, x)))),
      keep(yield* convolve(b2b, keep(yield* convolve(b2a, x)))),
      keep(yield* convolve(b3b, keep(maxPool3d(x, cube, step)))),
    ];
    return tidy(() => concatChannels(branches));
  } finally {
    dispose(made);
  }
}

function concatChannels(branches: readonly Tensor5D[]): Tensor5D {
  const [clips, time, height, width] = branches[0]!.shape;
  const flat = branches.map((branch) => reshape(branch, [clips * time, height, width, branch.shape[4]]));
  return reshape(concat(flat, 3), [clips, time, height, width, -1]);
}

/** Throws unless the last end point is as large as the average pool: five halvings over space, three over time, each rounded up. */
function checkClipSize([, time, height, width]: Tensor5D["shape"]): void {
  if (Math.ceil(height / 32) !== poolSide || Math.ceil(width / 32) !== poolSide || Math.ceil(time / 8) < poolFrames)
    throw new CoordTokError(
      "shape",
      `Expected clips of at least 9 frames with sides of 193 to 224 pixels, got ${time} frames of ${width}x${height}; pass them through fvdPreprocess.`,
    );
}

/** The mean over time of the averages over windows of 2 frames, `[B, 1024]`; the classifier may follow, since it is linear. */
function pooledFeatures(values: Tensor5D): Tensor2D {
  const [clips, time, height, width] = values.shape;
  // Every frame except the first and the last is in two windows.
  const perFrame = mean(mean(reshape(values, [clips * time, height, width, i3dFeatureWidth]), 1), 1);
  const weights = Array.from({ length: time }, (_, t) => (t === 0 || t === time - 1 ? 1 : 2) / (2 * (time - 1)));
  return sum(mul(reshape(perFrame, [clips, time, i3dFeatureWidth]), tensor(weights, [1, time, 1])), 1);
}

import {
  add,
  concat,
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
import { checkShape, CoordTokError } from "@coordtok/core";
import { convolve3d, maxPool3d, type Extent3d } from "./convolution3d.js";
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
  return tidy(() => {
    const pooled = pooledFeatures(i3dEndPoints(params, clips));
    return output === "pooled" ? pooled : add(matMul(pooled, params.classifierKernel), params.classifierBias);
  });
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
  let values = clips;
  try {
    for (const layer of i3dLayers) {
      const next = tidy(() => applyLayer(params, layer, values));
      if (values !== clips) values.dispose();
      values = next;
      onEndPoint?.(layer.name, values);
    }
    return values;
  } catch (thrown) {
    if (values !== clips) values.dispose();
    throw thrown;
  }
}

function applyLayer(params: I3dParams, layer: I3dLayer, x: Tensor5D): Tensor5D {
  const convolve = ({ name }: I3dConvolution, input: Tensor5D, stride: Extent3d = step): Tensor5D =>
    convolve3d(params.convolutions[name]!, input, stride);
  switch (layer.kind) {
    case "convolution":
      return convolve(layer.convolution, x, layer.stride);
    case "max-pool":
      return maxPool3d(x, layer.size, layer.stride);
    case "mixed": {
      const { b0, b1a, b1b, b2a, b2b, b3b } = layer.convolutions;
      const branches = [
        convolve(b0, x),
        convolve(b1b, convolve(b1a, x)),
        convolve(b2b, convolve(b2a, x)),
        convolve(b3b, maxPool3d(x, cube, step)),
      ];
      return concatChannels(branches);
    }
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

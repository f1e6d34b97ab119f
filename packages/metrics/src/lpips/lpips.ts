import {
  addN,
  concat,
  div,
  mul,
  reshape,
  slice,
  stack,
  sub,
  sum,
  tensor,
  tidy,
  zerosLike,
  type Rank,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import {
  checkOptions,
  checkShape,
  CoordTokError,
  type OptionNames,
  type PerceptualLoss,
  type Random,
} from "@coordtok/core";
import { hasFused, isRecording, operation } from "@coordtok/core/nn";
import { pairDistance, sliceDistance } from "./distance.js";
import { checkFrameSize, features, featureSizes } from "./features.js";
import { convolutionNames, featureNetworks } from "./networks.js";
import type { LpipsParams } from "./params.js";

/** The probability with which the dropout before a head keeps a value, in training mode. */
const keepRate = 0.5;

/** Options of {@link lpips}. */
export interface LpipsOptions {
  /**
   * Masks of the dropout that precedes each head in training mode, one per compared layer, each `[F, h, w, C]` of 0 and 1: squared
   * differences are multiplied by `mask / 0.5` (default: no dropout, as in evaluation). {@link lpipsDropoutMasks} draws them.
   */
  readonly dropoutKeep?: readonly Tensor4D[] | undefined;
}

const lpipsOptionNames: OptionNames<LpipsOptions> = { dropoutKeep: true };

/**
 * Computes LPIPS, the learned perceptual distance of frames: 0 for equal ones (up to rounding, below 1e-12), larger for worse (`docs/spec.md#lpips`).
 * It is differentiable with respect to `prediction` (an all-zero feature has gradient 0, not NaN); `target` and the weights are
 * constants. Gradients need those of TensorFlow.js's operations, which `import "@coordtok/core/train"` registers.
 * @param prediction `[F, H, W, 3]`, RGB in [-1, 1]; not clamped.
 * @param target frames of the same shape.
 * @returns `[F]`, one value per frame, owned by the caller.
 * @throws CoordTokError `shape` if shapes differ or frames are too small for the network.
 */
export function lpips(
  params: LpipsParams,
  prediction: Tensor4D,
  target: Tensor4D,
  options: LpipsOptions = {},
): Tensor1D {
  checkOptions(options, lpipsOptionNames, "lpips");
  return tidy(() => addN(layerDistances(params, prediction, target, options)) as Tensor1D);
}

/**
 * Computes the terms that {@link lpips} sums, one per compared layer.
 * @returns `[F, layers]`
 */
export function lpipsPerLayer(
  params: LpipsParams,
  prediction: Tensor4D,
  target: Tensor4D,
  options: LpipsOptions = {},
): Tensor2D {
  checkOptions(options, lpipsOptionNames, "lpipsPerLayer");
  return tidy(() => stack(layerDistances(params, prediction, target, options), 1) as Tensor2D);
}

/**
 * Computes the features that {@link lpips} compares, before their normalisation.
 * @param frames `[F, H, W, 3]`, RGB in [-1, 1].
 * @returns one `[F, h, w, C]` per compared layer, owned by the caller.
 */
export function lpipsFeatures(params: LpipsParams, frames: Tensor4D): Tensor4D[] {
  checkFrames(params, frames);
  return tidy(() => featuresOf(params, frames));
}

/** Options of {@link perceptualLoss}. */
export interface PerceptualLossOptions {
  /**
   * The generator of a new dropout mask for each call, as in the official training, which leaves LPIPS in training mode
   * (default: no dropout, so that the loss depends only on the frames).
   */
  readonly dropout?: Random | undefined;
}

const perceptualLossOptionNames: OptionNames<PerceptualLossOptions> = { dropout: true };

/**
 * Makes LPIPS a loss for the tokenizer's second training stage: the **sum** over the frames (`docs/spec.md#stage-2-loss`).
 * @param params the weights, which must live as long as the loss is used.
 */
export function perceptualLoss(params: LpipsParams, options: PerceptualLossOptions = {}): PerceptualLoss {
  checkOptions(options, perceptualLossOptionNames, "perceptualLoss");
  return (prediction, target) =>
    tidy(() => {
      const dropoutKeep = options.dropout && lpipsDropoutMasks(params, prediction.shape, options.dropout);
      return sum(lpips(params, prediction, target, { dropoutKeep }));
    });
}

/**
 * Draws masks for {@link LpipsOptions.dropoutKeep} that keep each value with probability 0.5.
 * @param shape the shape of the frames, `[F, H, W, 3]`.
 * @returns one mask per compared layer, owned by the caller.
 */
export function lpipsDropoutMasks(
  params: LpipsParams,
  shape: readonly [number, number, number, number],
  random: Random,
): Tensor4D[] {
  const [frames, height, width] = shape;
  return featureSizes(featureNetworks[params.network], height, width).map(([rows, columns], layer) => {
    const channels = params.heads[layer]!.size;
    const mask = Float32Array.from({ length: frames * rows * columns * channels }, () =>
      random.uniform() < keepRate ? 1 : 0,
    );
    return tensor(mask, [frames, rows, columns, channels], "float32");
  });
}

function layerDistances(
  params: LpipsParams,
  prediction: Tensor4D,
  target: Tensor4D,
  options: LpipsOptions,
): Tensor1D[] {
  checkFrames(params, prediction);
  checkShape(target, prediction.shape, "the target frames");
  const { dropoutKeep } = options;
  if (!isRecording() && dropoutKeep === undefined && hasFused("CoordTokFeatureDistance"))
    return featuresOf(params, concat([prediction, target])).map((both, layer) =>
      pairDistance(both, params.heads[layer]!),
    );
  const goals = isRecording() ? constantFeatures(params, target) : featuresOf(params, target);
  const found = featuresOf(params, prediction);
  if (dropoutKeep && dropoutKeep.length !== found.length)
    throw new CoordTokError("shape", `Expected ${found.length} dropout masks, got ${dropoutKeep.length}.`);
  return found.map((feature, layer) => {
    const mask = dropoutKeep?.[layer];
    if (mask) checkShape(mask, feature.shape, `the dropout mask of layer ${layer}`);
    return sliceDistance(feature, goals[layer]!, params.heads[layer]!, mask && mul<Tensor4D>(mask, 1 / keepRate));
  });
}

function checkFrames({ network }: LpipsParams, frames: Tensor4D): void {
  checkShape(frames, [undefined, undefined, undefined, 3], "the frames");
  checkFrameSize(featureNetworks[network], frames.shape[1], frames.shape[2]);
}

/** Computes the features of frames. The division by `scale` is applied to the first weights, which are fewer than the pixels. */
function featuresOf({ network: name, shift, scale, convolutions }: LpipsParams, frames: Tensor4D): Tensor4D[] {
  const network = featureNetworks[name];
  const [first] = convolutionNames(network.slices[0]![0]!);
  const { kernel, bias } = convolutions[first!]!;
  const scaled = { ...convolutions, [first!]: { kernel: div<Tensor4D>(kernel, reshape(scale, [3, 1])), bias } };
  return features(network, scaled, sub(frames, shift));
}

/** Computes features as one operation without a gradient, so that the tape of a training step keeps no intermediate layers. */
function constantFeatures(params: LpipsParams, frames: Tensor4D): Tensor4D[] {
  const shapes: (readonly [number, number, number, number])[] = [];
  const packed = operation<Rank.R1>(
    [frames],
    () => {
      const found = featuresOf(params, frames);
      shapes.push(...found.map(({ shape }) => shape));
      return concat(found.map((feature) => reshape(feature, [feature.size])));
    },
    () => [zerosLike(frames)],
  );
  let begin = 0;
  return shapes.map((shape) => {
    const size = shape.reduce((product, dim) => product * dim, 1);
    const part = slice(packed, begin, size);
    begin += size;
    return reshape(part, [...shape]) as Tensor4D;
  });
}

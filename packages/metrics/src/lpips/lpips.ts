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

/** How likely the dropout before a head keeps a value, in training mode. */
const keepRate = 0.5;

/** Options of {@link lpips}. */
export interface LpipsOptions {
  /**
   * Masks of the dropout that precedes each head in training mode, one per compared layer, each `[F, h, w, C]` of 0 and 1: squared
   * differences are multiplied by `keep / 0.5`. Default: evaluation, no dropout. {@link lpipsDropoutMasks} draws some.
   */
  readonly dropoutKeep?: readonly Tensor4D[] | undefined;
}

const lpipsOptionNames: OptionNames<LpipsOptions> = { dropoutKeep: true };

/**
 * LPIPS, the learned distance of how different frames look: 0 for equal ones (up to rounding, below 1e-12), larger for worse (`docs/spec.md#lpips`).
 * It is differentiable with respect to `prediction` (an all-zero feature gives the gradient 0, not NaN); `target` and the weights are
 * constants. Gradients need those of TensorFlow.js's operations: `import "@coordtok/core/train"` registers them.
 * @param prediction `[F, H, W, 3]`, RGB in [-1, 1]; not clamped.
 * @param target of the same shape.
 * @returns `[F]`, one value per frame.
 * @throws CoordTokError `shape` when shapes differ or frames are too small for the network.
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
 * The terms that {@link lpips} adds up, one per compared layer.
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
 * The features that {@link lpips} compares, before their normalisation.
 * @param frames `[F, H, W, 3]`, RGB in [-1, 1].
 * @returns one `[F, h, w, C]` per compared layer, the caller's.
 */
export function lpipsFeatures(params: LpipsParams, frames: Tensor4D): Tensor4D[] {
  checkFrames(params, frames);
  return tidy(() => featuresOf(params, frames));
}

/** Options of {@link perceptualLoss}. */
export interface PerceptualLossOptions {
  /**
   * Draws a new dropout mask for each call, as the official training does, which leaves LPIPS in training mode.
   * Default: no dropout, so that the loss is a function of the frames alone.
   */
  readonly dropout?: Random | undefined;
}

const perceptualLossOptionNames: OptionNames<PerceptualLossOptions> = { dropout: true };

/**
 * LPIPS as the loss that the tokenizer's second training stage takes: the **sum** over the frames (`docs/spec.md#stage-2-loss`).
 * @param params must live as long as the loss is used.
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
 * Masks for {@link LpipsOptions.dropoutKeep}: each value kept with probability 0.5.
 * @param shape of the frames, `[F, H, W, 3]`.
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

/** Of the two steps of scaling the second is done on the first weights, which are fewer than the pixels. */
function featuresOf({ network: name, shift, scale, convolutions }: LpipsParams, frames: Tensor4D): Tensor4D[] {
  const network = featureNetworks[name];
  const [first] = convolutionNames(network.slices[0]![0]!);
  const { kernel, bias } = convolutions[first!]!;
  const scaled = { ...convolutions, [first!]: { kernel: div<Tensor4D>(kernel, reshape(scale, [3, 1])), bias } };
  return features(network, scaled, sub(frames, shift));
}

/** Features in one operation without a gradient, so that the tape of a training step keeps none of the layers between. */
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

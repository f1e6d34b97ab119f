import {
  add,
  div,
  greater,
  matMul,
  mean,
  mul,
  reshape,
  sqrt,
  square,
  sub,
  sum,
  where,
  zerosLike,
  type Rank,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import { hasFused, operation, runFused } from "@coordtok/core/nn";

const epsilon = 1e-10;

/**
 * The distance of the features of one slice: both are divided by (their 2-norm over the channels + 1e-10), the squared differences
 * are weighted by the head, summed over the channels and averaged over the positions. Its explicit gradient with respect to `prediction`
 * takes the derivative of the norm at an all-zero feature as 0, where a plain square root gives NaN (`docs/spec.md#lpips`). `target` is a
 * constant.
 * @param prediction `[F, h, w, C]`
 * @param target of the same shape.
 * @param head `[C]`
 * @param keep factors of the squared differences, of the same shape as the features: a dropout mask divided by its keep rate.
 * @returns `[F]`
 */
export function sliceDistance(prediction: Tensor4D, target: Tensor4D, head: Tensor1D, keep?: Tensor4D): Tensor1D {
  return operation<Rank.R1>(
    [prediction],
    (save) => {
      save(keep === undefined ? [prediction, target, head] : [prediction, target, head, keep]);
      return distance(prediction, target, head, keep);
    },
    (dy, saved) => {
      const [p, t, h, k] = saved as [Tensor4D, Tensor4D, Tensor1D, Tensor4D | undefined];
      return [gradient(dy, p, t, h, k)];
    },
  );
}

/**
 * {@link sliceDistance} without a gradient, on a backend with the fused operation.
 * @param both `[2F, h, w, C]`: the features of all predictions, then those of all targets.
 */
export function pairDistance(both: Tensor4D, head: Tensor1D): Tensor1D {
  return runFused("CoordTokFeatureDistance", { features: both, head }, { epsilon })[0];
}

function distance(prediction: Tensor4D, target: Tensor4D, head: Tensor1D, keep: Tensor4D | undefined): Tensor1D {
  if (keep === undefined && hasFused("CoordTokFeatureDistance"))
    return runFused("CoordTokFeatureDistance", { features: prediction, head, other: target }, { epsilon })[0];
  const [frames, rows, columns, channels] = prediction.shape;
  const difference = square(sub(normalized(prediction), normalized(target)));
  const kept = keep === undefined ? difference : mul<Tensor4D>(difference, keep);
  const weighted = matMul(reshape(kept, [-1, channels]) as Tensor2D, reshape(head, [channels, 1]));
  // Axis by axis, since wasm accumulates serially in float32.
  return mean<Tensor1D>(mean(reshape(weighted, [frames, rows, columns]), 2), 1);
}

/** With `y = p/(n+e)` and `g` the gradient of `y`: `g/(n+e) - y sum(g y)/n`, the last term 0 where `n` is 0. */
function gradient(dy: Tensor1D, p: Tensor4D, t: Tensor4D, head: Tensor1D, keep: Tensor4D | undefined): Tensor4D {
  const [frames, rows, columns] = p.shape;
  const norm = channelNorm(p);
  const divisor = add(norm, epsilon);
  const y: Tensor4D = div(p, divisor);
  const difference: Tensor4D = sub(y, normalized(t));
  const kept = keep === undefined ? difference : mul<Tensor4D>(difference, keep);
  const perFrame = reshape(mul(dy, 2 / (rows * columns)), [frames, 1, 1, 1]);
  const g: Tensor4D = mul(mul(kept, head), perFrame);
  const shrink: Tensor4D = div(sum(mul(g, y), 3, true), norm);
  const safe: Tensor4D = where(greater(norm, 0), shrink, zerosLike(shrink));
  return sub<Tensor4D>(div(g, divisor), mul<Tensor4D>(y, safe));
}

function normalized(features: Tensor4D): Tensor4D {
  return div(features, add<Tensor4D>(channelNorm(features), epsilon));
}

/** `[F, h, w, 1]` */
function channelNorm(features: Tensor4D): Tensor4D {
  return sqrt(sum<Tensor4D>(square(features), 3, true));
}

import {
  add,
  conv2d,
  fused,
  mul,
  relu,
  reshape,
  slice,
  step,
  tidy,
  type Rank,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import { backendTraits, hasFused, operation, runFused } from "@coordtok/core/nn";

/** The parameters of a frozen 2D convolution. */
export type ConvolutionParams = {
  /** `[rows, columns, in, out]` */
  readonly kernel: Tensor4D;
  /** `[out]` */
  readonly bias: Tensor1D;
};

/** Tells whether {@link biasRelu} is faster for bias and ReLU than TensorFlow.js's convolution with both. */
export function separateBiasRelu(): boolean {
  return backendTraits().separateBias === true && hasFused("CoordTokBiasRelu");
}

/** A 2D convolution with bias and ReLU. Differentiable with respect to `x`; the weights are constants. */
export function convolveRelu(
  { kernel, bias }: ConvolutionParams,
  x: Tensor4D,
  stride: number,
  padding: "same" | "valid",
): Tensor4D {
  if (!separateBiasRelu())
    return fused.conv2d({ x, filter: kernel, strides: stride, pad: padding, bias, activation: "relu" });
  return tidy(() => biasRelu(conv2d(x, kernel, stride, padding), bias));
}

/**
 * `max(x + bias, 0)`, in one pass if the backend can. Differentiable with respect to `x`; the bias is a constant.
 * @param x a tensor whose last axis is as long as the bias.
 */
export function biasRelu<T extends Tensor>(x: T, bias: Tensor1D): T {
  if (!hasFused("CoordTokBiasRelu")) return relu(add<T>(x, bias));
  return operation(
    [x],
    (save) => {
      const value: Tensor = reshape(runFused("CoordTokBiasRelu", { x, bias }, {})[0], x.shape);
      save([value]);
      return value;
    },
    (dy, [y]) => [mul(dy, step(y!))],
  ) as T;
}

/**
 * {@link biasRelu} of two tensors in one pass, concatenated along the last axis. {@link separateBiasRelu} must hold.
 * @param besides the second tensor, of the same shape except for the last axis, and its bias.
 */
export function biasReluBeside(
  [x, bias]: readonly [Tensor4D, Tensor1D],
  [beside, besideBias]: readonly [Tensor4D, Tensor1D],
): Tensor4D {
  const [frames, rows, columns, width] = x.shape;
  return operation<Rank.R4>(
    [x, beside],
    (save) => {
      const [flat] = runFused("CoordTokBiasRelu", { x, bias, beside, besideBias }, {});
      const value: Tensor4D = reshape(flat, [frames, rows, columns, width + beside.shape[3]]);
      save([value]);
      return value;
    },
    (dy, [y]) => {
      const masked = mul(dy, step(y!));
      const part = (from: number, size: number): Tensor =>
        slice(masked, [0, 0, 0, from], [frames, rows, columns, size]);
      return [part(0, width), part(width, beside.shape[3])];
    },
  );
}

import { reshape, type Rank, type ShapeMap, type Tensor, type Tensor1D, type Tensor2D } from "@tensorflow/tfjs-core";
import type { Initializer } from "./init.js";
import { operation } from "./operation.js";
import { affine, columnSums, product } from "./product.js";
import { checkOptions, type OptionNames } from "../options.js";

/** The parameters of an affine map. */
export type LinearParams = {
  /** `[inputs, outputs]`, the transpose of PyTorch's layout, so that the forward product needs no transpose. */
  readonly kernel: Tensor2D;
  /** `[outputs]`, absent in layers without bias. */
  readonly bias: Tensor1D | undefined;
};

/** Creates an affine map with a zero bias, or with none if `options.bias` is false (default true). */
export function createLinear(
  init: Initializer,
  inputs: number,
  outputs: number,
  options: { readonly bias?: boolean } = {},
): LinearParams {
  checkOptions(options, { bias: true } satisfies OptionNames<typeof options>, "createLinear");
  const { bias = true } = options;
  return { kernel: init.kernel(inputs, outputs), bias: bias ? init.zeros(outputs) : undefined };
}

/**
 * Applies an affine map over the last axis: `x kernel + bias`.
 * @param x `[..., inputs]`
 * @param options.inputGradient `false` if `x` is data whose gradient need not be computed (default `true`).
 * @returns `[..., outputs]`
 */
export function linear<R extends Rank>(
  params: LinearParams,
  x: Tensor<R>,
  options: { readonly inputGradient?: boolean } = {},
): Tensor<R> {
  checkOptions(options, { inputGradient: true } satisfies OptionNames<typeof options>, "linear");
  const { inputGradient = true } = options;
  const { kernel, bias } = params;
  const [inputs, outputs] = kernel.shape;
  const rows = x.size / inputs;
  const weights = bias === undefined ? [kernel] : [kernel, bias];
  return operation<R>(
    inputGradient ? [x, ...weights] : weights,
    (save) => {
      const flat = reshape(x, [rows, inputs]) as Tensor2D;
      save([flat, kernel]);
      return reshape(affine(flat, kernel, bias), [...x.shape.slice(0, -1), outputs] as ShapeMap[R]);
    },
    (dy, saved) => {
      const [flat, matrix] = saved as [Tensor2D, Tensor2D];
      const flatDy = reshape(dy, [rows, outputs]) as Tensor2D;
      const forWeights: Tensor[] = [product(flat, flatDy, true, false)];
      if (bias !== undefined) forWeights.push(columnSums(flatDy));
      return inputGradient ? [reshape(product(flatDy, matrix, false, true), x.shape), ...forWeights] : forWeights;
    },
  );
}

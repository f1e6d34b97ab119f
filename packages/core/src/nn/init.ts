import {
  ones,
  zeros,
  type Rank,
  type ShapeMap,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
} from "@tensorflow/tfjs-core";
import type { Random } from "../random.js";

/** Makes the parameters of a fresh model, tensor by tensor. */
export interface Initializer {
  /** A kernel `[inputs, outputs]`. */
  readonly kernel: (inputs: number, outputs: number) => Tensor2D;
  /** A kernel `[inputs, outputs]` of zeros. */
  readonly zeroKernel: (inputs: number, outputs: number) => Tensor2D;
  /** Normally distributed numbers with mean 0 and the given standard deviation. */
  readonly normal: <R extends Rank>(shape: ShapeMap[R], deviation: number) => Tensor<R>;
  /** Zeros `[size]`. */
  readonly zeros: (size: number) => Tensor1D;
  /** Ones `[size]`. */
  readonly ones: (size: number) => Tensor1D;
}

/** Makes an initializer whose kernels are uniform in ±sqrt(6 / (inputs + outputs)) (Glorot and Bengio, 2010), drawn from `random`. */
export function randomInitializer(random: Random): Initializer {
  return {
    kernel: (inputs, outputs) => {
      const limit = Math.sqrt(6 / (inputs + outputs));
      return random.uniformTensor<Rank.R2>([inputs, outputs], -limit, limit);
    },
    zeroKernel: (inputs, outputs) => zeros([inputs, outputs]),
    normal: (shape, deviation) => random.normalTensor(shape, deviation),
    zeros: (size) => zeros([size]),
    ones: (size) => ones([size]),
  };
}

/**
 * An initializer of placeholders that have a shape but no numbers: a model built with it tells the names and shapes of its parameters
 * (`treeEntries`) without using memory. Nothing can be computed with them.
 */
export const shapeInitializer: Initializer = {
  kernel: (inputs, outputs) => shapeOnly([inputs, outputs]),
  zeroKernel: (inputs, outputs) => shapeOnly([inputs, outputs]),
  normal: (shape) => shapeOnly(shape),
  zeros: (size) => shapeOnly([size]),
  ones: (size) => shapeOnly([size]),
};

function shapeOnly<R extends Rank>(shape: ShapeMap[R]): Tensor<R> {
  const size = (shape as readonly number[]).reduce((product, dim) => product * dim, 1);
  // Only the fields that trees and shape checks read.
  return { shape, size, rank: shape.length, dataId: {} } as unknown as Tensor<R>;
}

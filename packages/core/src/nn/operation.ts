import { customGrad, tidy, type Rank, type Tensor } from "@tensorflow/tfjs-core";

/** Keeps tensors for the gradient. */
export type Save = (tensors: readonly Tensor[]) => void;

/**
 * An operation with a gradient of its own: the tape keeps only what `forward` saves, and the gradient's intermediates are freed at once.
 * @param inputs the tensors that receive gradients.
 * @param forward computes the value and saves what the gradient needs.
 * @param gradient gives one gradient per input, in their order, from that of the value and the saved tensors.
 */
export function operation<R extends Rank>(
  inputs: readonly Tensor[],
  forward: (save: Save) => Tensor<R>,
  gradient: (dy: Tensor<R>, saved: readonly Tensor[]) => Tensor[],
): Tensor<R> {
  const run = customGrad((...args) => {
    const save = args[args.length - 1] as unknown as Save;
    return {
      value: forward(save),
      gradFunc: (dy: Tensor, saved: Tensor[]) => tidy(() => gradient(dy as Tensor<R>, saved)),
    };
  });
  return run(...inputs);
}

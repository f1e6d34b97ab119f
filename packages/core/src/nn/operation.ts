import { customGrad, dispose, engine, tidy, type Rank, type Tensor } from "@tensorflow/tfjs-core";

/** Keeps tensors for the gradient. */
export type Save = (tensors: readonly Tensor[]) => void;

/** Tells whether a gradient tape is recording. */
export function isRecording(): boolean {
  return engine().isTapeOn();
}

/**
 * Runs an operation with an explicit gradient: the tape keeps only what `forward` saves, and frees it together with the
 * gradient's intermediates as soon as the gradient is computed.
 * @param inputs the tensors that receive gradients.
 * @param forward computes the value and saves what the gradient needs. If `recorded` is false, no gradient follows and it may free its
 * intermediates at once, so that memory still in the processor's cache is reused.
 * @param gradient computes one gradient per input, in their order, from the gradient of the value and the saved tensors.
 */
export function operation<R extends Rank>(
  inputs: readonly Tensor[],
  forward: (save: Save, recorded: boolean) => Tensor<R>,
  gradient: (dy: Tensor<R>, saved: readonly Tensor[]) => Tensor[],
): Tensor<R> {
  const recorded = isRecording();
  const run = customGrad((...args) => {
    const save = args[args.length - 1] as unknown as Save;
    return {
      value: forward(save, recorded),
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const gradients = tidy(() => gradient(dy as Tensor<R>, saved));
        // The tape would keep them until the last gradient is computed.
        dispose(saved);
        return gradients;
      },
    };
  });
  return run(...inputs);
}

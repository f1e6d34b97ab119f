/** The peak memory of a computation, in bytes of tensors. The memory of the program and the backend themselves is not included. */
export interface MemoryEstimate {
  /** The weights. */
  readonly weightBytes: number;
  /** Intermediate values and data. */
  readonly activationBytes: number;
  /** What training holds besides the weights: moments, moving average, gradients. */
  readonly optimizerBytes: number;
  /** The sum. */
  readonly totalBytes: number;
}

/** Estimates the memory of inference. */
export function inferenceMemory(weightBytes: number, activationBytes: number): MemoryEstimate {
  return { weightBytes, activationBytes, optimizerBytes: 0, totalBytes: weightBytes + activationBytes };
}

/**
 * Estimates the memory of training with AdamW and a moving average, as `trainLoop` does.
 * @param updateBytes what the optimizer holds beside that during an update (default 0).
 */
export function trainingMemory(weightBytes: number, activationBytes: number, updateBytes = 0): MemoryEstimate {
  // The moving average and two moments persist. Gradients grow while activations are freed; the update then doubles everything.
  const optimizerBytes = 3 * weightBytes + Math.max(weightBytes, 5 * weightBytes + updateBytes - activationBytes);
  return { weightBytes, activationBytes, optimizerBytes, totalBytes: weightBytes + activationBytes + optimizerBytes };
}

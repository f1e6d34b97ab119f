/** The memory of some work at its peak, in bytes of tensors. What the program and the backend take beside them is not in it. */
export interface MemoryEstimate {
  /** The weights that the work reads. */
  readonly weightBytes: number;
  /** What is computed on the way, data included. */
  readonly activationBytes: number;
  /** What training holds beside the weights: moments, moving average, gradients. */
  readonly optimizerBytes: number;
  /** All of it together. */
  readonly totalBytes: number;
}

/** The estimate for computing with weights. */
export function inferenceMemory(weightBytes: number, activationBytes: number): MemoryEstimate {
  return { weightBytes, activationBytes, optimizerBytes: 0, totalBytes: weightBytes + activationBytes };
}

/** The estimate for training weights with AdamW and a moving average, as `trainLoop` does. */
export function trainingMemory(weightBytes: number, activationBytes: number): MemoryEstimate {
  // Moving average and two moments stay. Gradients grow while activations go; the update then makes a second set of everything.
  const optimizerBytes = 3 * weightBytes + Math.max(weightBytes, 5 * weightBytes - activationBytes);
  return { weightBytes, activationBytes, optimizerBytes, totalBytes: weightBytes + activationBytes + optimizerBytes };
}

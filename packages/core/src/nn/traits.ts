import { getBackend } from "@tensorflow/tfjs-core";

/** What a backend is good at, where the layers can choose between two ways to the same result. */
export interface BackendTraits {
  /** Products of transposed matrices are about as fast as plain ones; otherwise the layers transpose first. */
  readonly transposedProducts: boolean;
  /** Products of many matrices in one call are about as fast as single ones; otherwise the layers multiply matrix by matrix. */
  readonly batchedProducts: boolean;
  /** Convolutions over time and space are about as fast as two-dimensional ones (default false); otherwise frames are stacked as channels. */
  readonly convolutions3d?: boolean;
  /** A convolution's bias and ReLU are passes of their own over its result (default false); where there is a fused operation for both, the layers use it. */
  readonly separateBias?: boolean;
}

const cautious: BackendTraits = { transposedProducts: false, batchedProducts: false };
const known = new Map<string, BackendTraits>();

/**
 * Tells the layers what a backend is good at. Without it they take the way that is never slow: plain two-dimensional products.
 * @param backendName as `tf.getBackend()` gives it.
 */
export function registerBackendTraits(backendName: string, traits: BackendTraits): void {
  known.set(backendName, traits);
}

/** The traits of the backend in use. */
export function backendTraits(): BackendTraits {
  return known.get(getBackend()) ?? cautious;
}

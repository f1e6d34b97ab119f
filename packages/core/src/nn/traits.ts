import { getBackend } from "@tensorflow/tfjs-core";

/** Performance traits of a backend, by which the layers choose between two ways to compute the same result. */
export interface BackendTraits {
  /** Whether products of transposed matrices are about as fast as plain ones; if not, the layers transpose first. */
  readonly transposedProducts: boolean;
  /** Whether products of many matrices in one call are about as fast as single ones; if not, the layers multiply matrix by matrix. */
  readonly batchedProducts: boolean;
  /** Whether 3D convolutions are about as fast as 2D ones (default false); if not, the layers stack frames as channels. */
  readonly convolutions3d?: boolean;
  /** Whether a convolution's bias and ReLU take separate passes over its result (default false); if so, the layers fuse the two. */
  readonly separateBias?: boolean;
}

const cautious: BackendTraits = { transposedProducts: false, batchedProducts: false };
const known = new Map<string, BackendTraits>();

/**
 * Registers the traits of a backend. The layers treat an unregistered one cautiously: they use plain 2D products.
 * @param backendName the name that `tf.getBackend()` returns.
 */
export function registerBackendTraits(backendName: string, traits: BackendTraits): void {
  known.set(backendName, traits);
}

/** Returns the traits of the backend in use. */
export function backendTraits(): BackendTraits {
  return known.get(getBackend()) ?? cautious;
}

import type { FusedState } from "./fused/state.js";
import type { Precision, PrecisionRequest } from "./precision.js";

/** What differs between Node and a browser; `src/node` and `src/browser` each supply one. */
export interface Platform {
  readonly kind: "node" | "browser";
  /**
   * Loads the native backend and registers it with tfjs-core as `tensorflow`.
   * @returns the precision in effect, and sentences worth showing about it.
   * @throws CoordTokError `backend` with the way out.
   */
  loadNative(request: PrecisionRequest): Promise<{ readonly precision: Precision; readonly notes: readonly string[] }>;
  /** TensorFlow's version and devices, once the native backend is selected. */
  nativeDevices(): { readonly version: string; readonly devices: readonly string[] };
  /** Switches the fused operations of the native backend, once it is selected, on or off. */
  useNativeFused(wanted: boolean): FusedState;
  /** Whether the environment allows fused operations: `COORDTOK_FUSED` is not `0`. */
  fusedAllowed(): boolean;
  /** Bytes of memory that this process may still take; absent where it is unknown. */
  availableBytes(): number | undefined;
  /**
   * WebGPU, with its globals in place.
   * @throws CoordTokError `backend` where there is none.
   */
  openGpu(): Promise<GPU>;
  /** Whether there may be a graphics card; the answer costs little. */
  mayHaveGpu(): boolean;
  /** Versions of what the native backend is made of. */
  nativeVersions(): Readonly<Record<string, string>>;
  /** The folder with the files of tfjs-backend-wasm, ending in a separator; absent where only the page knows. */
  wasmFolder(): string | undefined;
}

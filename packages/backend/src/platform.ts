import type { FusedState } from "./fused/state.js";
import type { Precision, PrecisionRequest } from "./precision.js";

/** Where the files of tfjs-backend-wasm lie. */
export interface WasmFiles {
  /** A prefix of their addresses or paths, or the address of each. */
  readonly paths: string | Readonly<Record<string, string>>;
  /** Whether the build with threads is among them. */
  readonly threads: boolean;
  /** To be called once they have been read. */
  readonly release?: () => void;
}

/** The functions that differ between Node and browsers; `src/node` and `src/browser` each provide an implementation. */
export interface Platform {
  readonly kind: "node" | "browser";
  /**
   * Loads the native backend and registers it with tfjs-core as `tensorflow`.
   * @returns the precision in effect, and notes about it.
   * @throws CoordTokError `backend`, with a remedy.
   */
  loadNative(request: PrecisionRequest): Promise<{ readonly precision: Precision; readonly notes: readonly string[] }>;
  /** Returns TensorFlow's version and devices; the native backend must be selected. */
  nativeDevices(): { readonly version: string; readonly devices: readonly string[] };
  /** Switches the fused operations of the native backend on or off; it must be selected. */
  useNativeFused(wanted: boolean): FusedState;
  /** Tells whether the environment allows fused operations: `COORDTOK_FUSED` is not `0`. */
  fusedAllowed(): boolean;
  /** Returns the number of bytes that this process may still allocate, or `undefined` if it is unknown. */
  availableBytes(): number | undefined;
  /**
   * Returns WebGPU, after defining its globals.
   * @throws CoordTokError `backend` if there is none.
   */
  openGpu(): Promise<GPU>;
  /** Tells whether there may be a graphics card, without loading a driver. */
  mayHaveGpu(): boolean;
  /** Returns the versions of the components of the native backend. */
  nativeVersions(): Readonly<Record<string, string>>;
  /** The files of tfjs-backend-wasm that come with this package or its dependencies. */
  wasmFiles(): Promise<WasmFiles>;
  /**
   * Starts what leaves handlers of failures of the whole process behind, and takes these off: they would end a program for any error of its own.
   */
  withoutProcessHandlers<T>(start: () => Promise<T>): Promise<T>;
}

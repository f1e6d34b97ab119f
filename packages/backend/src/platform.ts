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
  /** Versions of what the native backend is made of. */
  nativeVersions(): Readonly<Record<string, string>>;
  /** The files of tfjs-backend-wasm that come with this package or its dependencies. */
  wasmFiles(): Promise<WasmFiles>;
  /**
   * Starts what leaves handlers of failures of the whole process behind, and takes these off: they would end a program for any error of its own.
   */
  withoutProcessHandlers<T>(start: () => Promise<T>): Promise<T>;
}

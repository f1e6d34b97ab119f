import type { LongCallOptions } from "@coordtok/core";
import type { Installation } from "../node/installation.js";
import type { SetupWishes } from "./plan.js";
import type { Machine } from "./platform.js";
import type { fusedTest, selfTest } from "./self-test.js";

/** Options of `setupTensorflow`. */
export interface SetupOptions extends SetupWishes, LongCallOptions {
  /** The Python whose pip downloads the wheels (default: `python3` or `python` on `PATH`, else a `pip3` or `pip` program). */
  readonly python?: string | undefined;
  /** The folder to keep the installation in (default: the cache folder, `COORDTOK_CACHE`). `loadBackend` looks only in the cache folder. */
  readonly cacheDir?: string | undefined;
  /** Sets up again even if it is already done (default false). */
  readonly force?: boolean | undefined;
  /** Called with notes for the user, one sentence each: sizes in advance, what setup waits for, what it kept. */
  readonly onNote?: ((text: string) => void) | undefined;
}

/** The result of `setupTensorflow`. */
export interface SetupReport {
  /** Whether there was nothing to do. */
  readonly alreadySetUp: boolean;
  /** The TensorFlow that `loadBackend("tensorflow")` now loads. */
  readonly installation: Installation;
  /** How long it took, in seconds. */
  readonly seconds: number;
}

/** The surroundings that a setup depends on; tests provide their own. */
export interface SetupWorld {
  readonly env: NodeJS.ProcessEnv;
  readonly machine: Machine;
  /** The SHA-256 of known wheels by file name. */
  readonly knownWheels: Readonly<Record<string, string>>;
  readonly freeBytes: (folder: string) => Promise<number>;
  /** The SHA-512 of the packed npm package, in base64. */
  readonly tfjsNodeSum: string;
  /** Loads an installation in a separate process and measures it. */
  readonly selfTest: typeof selfTest;
  /** Loads the fused operations of an installation in a separate process and compares them with composite ones. */
  readonly fusedTest: typeof fusedTest;
}

import type { LongCallOptions } from "@coordtok/core";
import type { Installation } from "../node/installation.js";
import type { SetupWishes } from "./plan.js";
import type { Machine } from "./platform.js";
import type { fusedTest, selfTest } from "./self-test.js";

/** Options of `setupTensorflow`. */
export interface SetupOptions extends SetupWishes, LongCallOptions {
  /** The Python whose pip fetches the wheels (default: `python3` or `python` on `PATH`, else a `pip3` or `pip` program). */
  readonly python?: string | undefined;
  /** Where to keep what is set up (default: the cache folder, `COORDTOK_CACHE`). `loadBackend` looks in the cache folder only. */
  readonly cacheDir?: string | undefined;
  /** Set up anew even if it has been done (default false). */
  readonly force?: boolean | undefined;
  /** Receives sentences for the user: sizes beforehand, what is waited for, what was kept. */
  readonly onNote?: ((text: string) => void) | undefined;
}

/** What a setup did. */
export interface SetupReport {
  /** Nothing was to be done. */
  readonly alreadySetUp: boolean;
  /** The TensorFlow that `loadBackend("tensorflow")` now takes. */
  readonly installation: Installation;
  /** How long it took. */
  readonly seconds: number;
}

/** What of the world a setup depends on; tests supply their own. */
export interface SetupWorld {
  readonly env: NodeJS.ProcessEnv;
  readonly machine: Machine;
  /** SHA-256 of wheels by file name. */
  readonly knownWheels: Readonly<Record<string, string>>;
  readonly freeBytes: (folder: string) => Promise<number>;
  /** SHA-512 of the packed npm package, in base64. */
  readonly tfjsNodeSum: string;
  /** Loads an installation in a process of its own and measures it. */
  readonly selfTest: typeof selfTest;
  /** Loads the fused operations of an installation in a process of its own and compares them with composite ones. */
  readonly fusedTest: typeof fusedTest;
}

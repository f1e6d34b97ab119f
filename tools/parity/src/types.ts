import type { SafetensorsFile } from "@coordtok/core";
import type { Tensor } from "@tensorflow/tfjs-core";

/** One call of a parity case, as `case.json` describes it (`docs/spec.md#reading-a-case`). */
export interface ParityRun {
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** Role to tensor name, or to lists of names. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Parameters whose gradient is stored. */
  readonly grads: readonly string[];
  /** Names of stored results; a `*` at the end stands for any suffix. */
  readonly outputs: readonly string[];
  /** All that `case.json` says of the run. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** How near a result has to come. */
export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
}

/** A parity case whose files are open. */
export interface ParityCase {
  readonly id: string;
  readonly kind: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** All of `case.json`. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly runs: readonly ParityRun[];
  readonly tolerances: ReadonlyMap<string, Tolerance>;
  readonly inputs: SafetensorsFile;
  readonly weights: SafetensorsFile;
  readonly expected: SafetensorsFile;
}

/** Computed results by the name under which the expected ones are stored. Tensors are freed by the runner. */
export type ParityOutputs = ReadonlyMap<string, Tensor | ArrayLike<number>>;

/**
 * Computes the results of one run on the backend in use. One handler serves every case of its kind.
 * @returns all that the run's `outputs` name, and whatever intermediates are of use.
 */
export type ParityHandler = (parityCase: ParityCase, run: ParityRun) => Promise<ParityOutputs>;

/** The largest error of a case against what is allowed for it. */
export interface WorstError {
  readonly output: string;
  readonly maxError: number;
  readonly allowed: number;
}

/** What became of a case. */
export interface ParityResult {
  readonly id: string;
  readonly kind: string;
  readonly status: "pass" | "fail" | "not-covered" | "skipped";
  /** Absent when nothing was compared. */
  readonly worst?: WorstError;
  /** Why it failed without a comparison, or why it is not covered or skipped. */
  readonly reason?: string;
}

import type { SafetensorsFile } from "@coordtok/core";
import type { Tensor } from "@tensorflow/tfjs-core";

/** One call of a parity case, as `case.json` describes it (`docs/spec.md#reading-a-case`). */
export interface ParityRun {
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** The names of tensors, or lists of names, by role. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** The parameters whose gradient is stored. */
  readonly grads: readonly string[];
  /** The names of stored results; a `*` matches any text. */
  readonly outputs: readonly string[];
  /** Everything in `case.json` about the run. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** How close a result must be to the stored one. */
export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
}

/** A parity case whose files are open. */
export interface ParityCase {
  readonly id: string;
  readonly kind: string;
  /** Its configuration; the runner follows which fields are read. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The fields of the configuration that nothing read so far. */
  readonly unreadConfig: () => readonly string[];
  /** Everything in `case.json`. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly runs: readonly ParityRun[];
  readonly tolerances: ReadonlyMap<string, Tolerance>;
  readonly inputs: SafetensorsFile;
  readonly weights: SafetensorsFile;
  readonly expected: SafetensorsFile;
}

/** Computed results by the name of the stored ones. The runner frees the tensors. */
export type ParityOutputs = ReadonlyMap<string, Tensor | ArrayLike<number>>;

/**
 * Computes the results of one run on the backend in use. One handler serves every case of its kind.
 * @returns all results that the run's `outputs` name; others are ignored.
 */
export type ParityHandler = (parityCase: ParityCase, run: ParityRun) => Promise<ParityOutputs>;

/** The largest error of a case relative to its tolerance. */
export interface WorstError {
  readonly output: string;
  readonly maxError: number;
  readonly allowed: number;
}

/** The outcome of a case. */
export interface ParityResult {
  readonly id: string;
  readonly kind: string;
  readonly status: "pass" | "fail" | "not-covered" | "skipped";
  /** The largest error; absent when nothing was compared. */
  readonly worst?: WorstError;
  /** The reason why it failed without a comparison, or is not covered or skipped. */
  readonly reason?: string;
}

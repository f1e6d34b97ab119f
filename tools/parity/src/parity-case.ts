import { CoordTokError, type SafetensorsFile } from "@coordtok/core";
import { trackReads } from "./tracked.js";
import type { ParityCase, ParityRun, Tolerance } from "./types.js";

/** The part of `case.json` that the runner reads. */
export interface StoredCase {
  readonly id: string;
  readonly kind: string;
  readonly config?: Record<string, unknown>;
  /** The runs; without this key the case is a single run. */
  readonly runs?: readonly Partial<ParityRun>[];
  readonly outputs: Record<string, Partial<Tolerance>>;
  /** The path of a file, relative to the folder of the case; anything else means that the case has its own weights. */
  readonly weights?: unknown;
}

/** The files of a case. */
export interface CaseFiles {
  readonly inputs: SafetensorsFile;
  readonly weights: SafetensorsFile;
  readonly expected: SafetensorsFile;
}

/** Makes a case of its `case.json` and its open files. */
export function caseOf(stored: StoredCase, files: CaseFiles): ParityCase {
  const config = trackReads(stored.config ?? {});
  return {
    id: stored.id,
    kind: stored.kind,
    config: config.value,
    unreadConfig: config.unread,
    facts: stored as unknown as Record<string, unknown>,
    runs: (stored.runs ?? [{ outputs: ["*"] }]).map(completeRun),
    tolerances: new Map(Object.entries(stored.outputs).map(([name, { atol = 0, rtol = 0 }]) => [name, { atol, rtol }])),
    ...files,
  };
}

/** Reads `case.json`. @param where names the case in errors. @throws CoordTokError `file-format`. */
export function parseCase(text: string, where: string): StoredCase {
  const stored = JSON.parse(text) as StoredCase;
  if (typeof stored.kind !== "string" || !(stored.runs === undefined || Array.isArray(stored.runs)))
    throw new CoordTokError(
      "file-format",
      `Expected a parity case in ${where}, but its case.json names no kind or its runs are not a list.`,
    );
  return stored;
}

/** Completes a run. A run that names no results has one, with the name of the run. */
function completeRun(run: Partial<ParityRun>): ParityRun {
  const name = run.name ?? "";
  return {
    name,
    args: run.args ?? {},
    inputs: run.inputs ?? {},
    grads: run.grads ?? [],
    outputs: run.outputs ?? [name],
    facts: run,
  };
}

import { CoordTokError, openSafetensors } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ParityCase, ParityRun, Tolerance } from "./types.js";

/** The folders of all cases below some folders, `<area>/<case>` by id; where a case is in several, the first folder counts. */
export async function findCases(folders: readonly string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const folder of folders)
    for (const area of await foldersIn(folder))
      for (const name of await foldersIn(join(folder, area))) {
        const id = `${area}/${name}`;
        const files = await readdir(join(folder, id));
        if (files.includes("case.json") && !found.has(id)) found.set(id, join(folder, id));
      }
  return found;
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
}

/** The part of `case.json` that the runner reads. */
interface StoredCase {
  readonly id: string;
  readonly kind: string;
  readonly config?: Record<string, unknown>;
  /** Without runs the case is one. */
  readonly runs?: readonly Partial<ParityRun>[];
  readonly outputs: Record<string, Partial<Tolerance>>;
  /** A file, seen from the folder of the case; anything else means that the case has its own. */
  readonly weights?: unknown;
}

/** A case whose files are open; call `close` when done with it. */
export interface OpenedCase {
  readonly id: string;
  readonly kind: string;
  /** Absent when its weights lie elsewhere and are not there. */
  readonly parityCase: ParityCase | undefined;
  /** The weights that are not there. */
  readonly missing: string | undefined;
  readonly close: () => Promise<void>;
}

/** Opens a case. Its weights may be a file elsewhere, which need not be present. */
export async function openCase(folder: string): Promise<OpenedCase> {
  const stored = JSON.parse(await readFile(join(folder, "case.json"), "utf8")) as StoredCase;
  const { id, kind } = stored;
  if (typeof kind !== "string" || !(stored.runs === undefined || Array.isArray(stored.runs)))
    throw new CoordTokError(
      "file-format",
      `Expected a parity case in ${folder}, but its case.json names no kind or has runs that are no list.`,
    );
  const elsewhere = typeof stored.weights === "string" ? stored.weights : undefined;
  if (elsewhere !== undefined && !existsSync(join(folder, elsewhere)))
    return { id, kind, parityCase: undefined, missing: elsewhere, close: () => Promise.resolve() };
  const files = ["inputs.safetensors", elsewhere ?? "weights.safetensors", "outputs.safetensors"];
  const sources = await Promise.all(files.map((name) => openFileSource(join(folder, name))));
  const [inputs, weights, expected] = await Promise.all(sources.map((source) => openSafetensors(source)));
  const parityCase: ParityCase = {
    id,
    kind,
    config: stored.config ?? {},
    facts: stored as unknown as Record<string, unknown>,
    runs: (stored.runs ?? [{ outputs: ["*"] }]).map(completeRun),
    tolerances: new Map(Object.entries(stored.outputs).map(([name, { atol = 0, rtol = 0 }]) => [name, { atol, rtol }])),
    inputs: inputs!,
    weights: weights!,
    expected: expected!,
  };
  const close = async (): Promise<void> => {
    await Promise.all(sources.map((source) => source.close()));
  };
  return { id, kind, parityCase, missing: undefined, close };
}

/** A run that names no results has one, called as it is. */
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

import { CoordTokError, openSafetensors } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";
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
  readonly runs: readonly Partial<ParityRun>[];
  readonly outputs: Record<string, Tolerance>;
}

/** Opens a case; call `close` when done with it. */
export async function openCase(folder: string): Promise<{ parityCase: ParityCase; close: () => Promise<void> }> {
  const stored = JSON.parse(await readFile(join(folder, "case.json"), "utf8")) as StoredCase;
  if (typeof stored.kind !== "string" || !Array.isArray(stored.runs))
    throw new CoordTokError(
      "file-format",
      `Expected a parity case in ${folder}, but its case.json names no kind or runs.`,
    );
  const sources = await Promise.all(
    ["inputs", "weights", "outputs"].map((name) => openFileSource(join(folder, `${name}.safetensors`))),
  );
  const [inputs, weights, expected] = await Promise.all(sources.map((source) => openSafetensors(source)));
  const parityCase: ParityCase = {
    id: stored.id,
    kind: stored.kind,
    config: stored.config ?? {},
    facts: stored as unknown as Record<string, unknown>,
    runs: stored.runs.map(completeRun),
    tolerances: new Map(Object.entries(stored.outputs).map(([name, { atol, rtol }]) => [name, { atol, rtol }])),
    inputs: inputs!,
    weights: weights!,
    expected: expected!,
  };
  return {
    parityCase,
    close: async () => {
      await Promise.all(sources.map((source) => source.close()));
    },
  };
}

function completeRun(run: Partial<ParityRun>): ParityRun {
  return {
    name: run.name ?? "",
    args: run.args ?? {},
    inputs: run.inputs ?? {},
    grads: run.grads ?? [],
    outputs: run.outputs ?? [],
  };
}

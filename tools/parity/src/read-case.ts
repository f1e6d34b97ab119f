import { openSafetensors } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { caseOf, parseCase } from "./parity-case.js";
import type { ParityCase } from "./types.js";

/** Finds the folders of all cases below some folders, by their id `<area>/<case>`. When several folders hold a case, the first one counts. */
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

/** A case whose files are open; call `close` when done with it. */
export interface OpenedCase {
  readonly id: string;
  readonly kind: string;
  /** The case; absent when its weights are elsewhere and missing. */
  readonly parityCase: ParityCase | undefined;
  /** The path of the missing weights. */
  readonly missing: string | undefined;
  readonly close: () => Promise<void>;
}

/** Opens a case. Its weights may be a file elsewhere, which may be missing. */
export async function openCase(folder: string): Promise<OpenedCase> {
  const stored = parseCase(await readFile(join(folder, "case.json"), "utf8"), folder);
  const { id, kind } = stored;
  const elsewhere = typeof stored.weights === "string" ? stored.weights : undefined;
  if (elsewhere !== undefined && !existsSync(join(folder, elsewhere)))
    return { id, kind, parityCase: undefined, missing: elsewhere, close: () => Promise.resolve() };
  const files = ["inputs.safetensors", elsewhere ?? "weights.safetensors", "outputs.safetensors"];
  const sources = await Promise.all(files.map((name) => openFileSource(join(folder, name))));
  const [inputs, weights, expected] = await Promise.all(sources.map((source) => openSafetensors(source)));
  const parityCase = caseOf(stored, { inputs: inputs!, weights: weights!, expected: expected! });
  const close = async (): Promise<void> => {
    await Promise.all(sources.map((source) => source.close()));
  };
  return { id, kind, parityCase, missing: undefined, close };
}

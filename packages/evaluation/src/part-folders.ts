import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { partInName, partName, type Part } from "@coordtok/core/checks";
import { fileReadError } from "@coordtok/core/node";

const prefix = "part-";

/** The folder of a part in that of the whole evaluation. */
export function partFolder(out: string, part: Part): string {
  return join(out, `${prefix}${partName(part)}`);
}

/** The parts whose folders are in that of an evaluation, by number; none where it is not there. */
export async function partsIn(out: string): Promise<Part[]> {
  const names = await readdir(out).catch(() => []);
  const found = names.flatMap((name) => (name.startsWith(prefix) ? (partInName(name.slice(prefix.length)) ?? []) : []));
  return found.sort((a, b) => a.of - b.of || a.number - b.number);
}

/** The folders of the parts that a folder holds, or itself where it holds none. @throws CoordTokError `file-not-found`, `file-read`. */
export async function partFoldersIn(path: string): Promise<string[]> {
  await readdir(path).catch((thrown: unknown) => {
    throw fileReadError(thrown, path);
  });
  const parts = await partsIn(path);
  return parts.length === 0 ? [path] : parts.map((part) => partFolder(path, part));
}

/** The folders of all parts of the evaluation that a part is of, itself among them; only itself for a folder that is no part's. */
export async function siblingsOf(folder: string): Promise<string[]> {
  const isPart = basename(folder).startsWith(prefix) && partInName(basename(folder).slice(prefix.length)) !== undefined;
  if (!isPart) return [folder];
  const out = dirname(folder);
  return [folder, ...(await partsIn(out)).map((part) => partFolder(out, part)).filter((one) => one !== folder)];
}

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { checkOptions, CoordTokError, longCallOptionNames, type LongCallOptions } from "@coordtok/core";
import { sha256OfFile } from "@coordtok/core/node";
import type { WeightFile } from "../weights.js";

/** The default folder of published weights, relative to the current folder. */
export const defaultWeightsFolder = "weights";

/** A file of weights that exists. */
export interface FoundWeights {
  /** Its path. */
  readonly path: string;
  /** The SHA-256 of the whole file, 64 hexadecimal digits. */
  readonly sha256: string;
  /** The matching published file; `undefined` for an unknown file. */
  readonly file: WeightFile | undefined;
}

/**
 * Finds files of weights by their names in a folder or in the folders directly below it, and checks their SHA-256. Nothing is downloaded.
 * @throws CoordTokError `file-not-found`, with the command that downloads the missing files; `checkpoint` for a file with other content;
 * `aborted`.
 */
export async function findWeights(
  files: readonly WeightFile[],
  folder: string,
  options: LongCallOptions = {},
): Promise<FoundWeights[]> {
  checkOptions(options, longCallOptionNames, "findWeights");
  const places = await Promise.all(files.map(async (file) => locate(file, folder)));
  const missing = files.filter((_, i) => places[i] === undefined);
  if (missing.length > 0) throw missingError(missing, folder);
  const found: FoundWeights[] = [];
  for (const place of places) {
    const { file, path } = place!;
    const sha256 = await sha256OfFile(path, options);
    if (sha256 !== file.sha256)
      throw new CoordTokError(
        "checkpoint",
        `"${path}" is not the published ${file.name} (${file.what}): its SHA-256 is ${sha256}, expected ${file.sha256}; get it again with: ${downloadCommand(file, path)}`,
      );
    found.push({ path, sha256, file });
  }
  return found;
}

/** Returns the command that downloads a published file to a path. */
export function downloadCommand({ url }: WeightFile, path: string): string {
  return `curl -fL --create-dirs -o ${quoted(path)} ${url}`;
}

function quoted(path: string): string {
  return /^[\w./@+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

function missingError(missing: readonly WeightFile[], folder: string): CoordTokError {
  const names = missing.map(({ name, what }) => `${name} (${what})`).join(" and ");
  const commands = missing.map((file) => downloadCommand(file, join(folder, file.name))).join(" && ");
  return new CoordTokError("file-not-found", `There is no ${names} in "${folder}"; get it with: ${commands}`);
}

interface Place {
  readonly file: WeightFile;
  readonly path: string;
}

async function locate(file: WeightFile, folder: string): Promise<Place | undefined> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const folders = ["", ...entries.filter((entry) => !entry.isFile()).map(({ name }) => name)];
  for (const below of folders) {
    const path = join(folder, below, file.name);
    const isFile = await stat(path).then(
      (facts) => facts.isFile(),
      () => false,
    );
    if (isFile) return { file, path };
  }
  return file.alternative === undefined ? undefined : locate(file.alternative, folder);
}

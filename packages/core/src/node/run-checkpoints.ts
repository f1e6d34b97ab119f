import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { CoordTokError } from "../errors.js";
import { fileReadError } from "./file-error.js";

/** Where the checkpoints of a run folder lie in it. */
export const checkpointsFolder = "checkpoints";

const checkpointName = /^step-(\d+)\.safetensors$/;

/** The file of a checkpoint of a run folder. */
export function checkpointPath(run: string, step: number): string {
  return join(run, checkpointsFolder, `step-${String(step).padStart(6, "0")}.safetensors`);
}

/** The checkpoints of a run by number, the oldest first. */
export async function listCheckpoints(path: string): Promise<{ readonly step: number; readonly path: string }[]> {
  const folder = join(path, checkpointsFolder);
  const files = await readdir(folder).catch(() => []);
  return files
    .flatMap((name) => {
      const step = checkpointName.exec(name)?.[1];
      return step === undefined ? [] : [{ step: Number(step), path: join(folder, name) }];
    })
    .sort((a, b) => a.step - b.step);
}

/** The newest checkpoint of a run folder, by its number. @throws CoordTokError `checkpoint`, `file-not-found`. */
export async function newestCheckpoint(path: string): Promise<string> {
  await stat(path).catch((thrown: unknown) => {
    throw fileReadError(thrown, path);
  });
  const newest = (await listCheckpoints(path)).at(-1);
  if (newest) return newest.path;
  throw new CoordTokError(
    "checkpoint",
    `There is no checkpoint in "${path}"; expected a run folder with ${checkpointsFolder}/step-N.safetensors.`,
  );
}

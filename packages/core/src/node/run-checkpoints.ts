import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { CoordTokError } from "../errors.js";
import { fileReadError } from "./file-error.js";

/** The name of the folder of checkpoints in a run folder. */
export const checkpointsFolder = "checkpoints";

const checkpointName = /^step-(\d+)\.safetensors$/;

/** Returns the path of the checkpoint of a step in a run folder. */
export function checkpointPath(run: string, step: number): string {
  return join(run, checkpointsFolder, `step-${String(step).padStart(6, "0")}.safetensors`);
}

/** Returns the path of the checkpoint of a run folder that measured best on held-out videos. There is none without them. */
export function bestCheckpointPath(run: string): string {
  return join(run, checkpointsFolder, "best.safetensors");
}

/** Lists the checkpoints of a run folder by their steps, the oldest first; the best one is not among them. */
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

/**
 * Returns the path of the newest checkpoint of a run folder, the one with the highest step.
 * @throws CoordTokError `checkpoint` if there is none, `file-not-found`, `file-read`.
 */
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

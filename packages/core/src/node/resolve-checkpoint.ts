import { stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { CoordTokError, isCoordTokError } from "../errors.js";
import { looksLikeTorch } from "../torch/looks-like-torch.js";
import { openFileSource } from "./file-source.js";
import { checkpointsFolder, newestCheckpoint } from "./run-checkpoints.js";

/**
 * Resolves a path to a checkpoint file: a run folder resolves to its newest checkpoint, any other path to itself.
 * @throws CoordTokError `checkpoint` for a PyTorch checkpoint, saying how to convert it, and for a folder without checkpoints.
 */
export async function resolveCheckpoint(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return newestCheckpoint(path);
  if (found?.isFile()) await refuseTorch(path);
  return path;
}

/** A training that removes checkpoints faster than this many calls can open them is not waited for. */
const mostTries = 50;

/**
 * Makes a call that resolves and opens the newest checkpoint of a run folder. A training that runs may remove that checkpoint in between, because
 * there are newer ones; the call is then made again, so that it opens the newest that can be opened.
 * @param given what is resolved within the call: a run folder, or anything else, with which the call is made once.
 */
export async function withNewest<Result>(given: string | undefined, call: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++)
    try {
      return await call();
    } catch (thrown) {
      const isGone =
        given !== undefined &&
        isCoordTokError(thrown) &&
        thrown.code === "file-not-found" &&
        thrown.sentence.includes(join(given, checkpointsFolder));
      if (!isGone || tries >= mostTries) throw thrown;
    }
}

async function refuseTorch(path: string): Promise<void> {
  const source = await openFileSource(path);
  try {
    if (!(await looksLikeTorch(source))) return;
  } finally {
    await source.close();
  }
  const converted = `${basename(path, extname(path))}.safetensors`;
  throw new CoordTokError("checkpoint", `"${path}" is a PyTorch checkpoint; convert it once and pass the result.`, {
    remedy: ["convertFile", path, converted],
  });
}

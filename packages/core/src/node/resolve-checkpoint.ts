import { stat } from "node:fs/promises";
import { basename, extname } from "node:path";
import { CoordTokError } from "../errors.js";
import { looksLikeTorch } from "../torch/looks-like-torch.js";
import { openFileSource } from "./file-source.js";
import { newestCheckpoint } from "./run-checkpoints.js";

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

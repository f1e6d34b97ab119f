import { stat } from "node:fs/promises";
import { basename, extname } from "node:path";
import { CoordTokError } from "../errors.js";
import { looksLikeTorch } from "../torch/looks-like-torch.js";
import { openFileSource } from "./file-source.js";
import { newestCheckpoint } from "./run-checkpoints.js";

/**
 * The path of a checkpoint file; a run folder stands for its newest checkpoint.
 * @throws CoordTokError `checkpoint` for a checkpoint of PyTorch, saying how to convert it.
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
  throw new CoordTokError("checkpoint", `"${path}" is a checkpoint of PyTorch; convert it once and name the result.`, {
    remedy: ["convertFile", path, converted],
  });
}

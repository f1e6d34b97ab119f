import { join } from "node:path";
import { checkInteger, checkKnownKeys, CoordTokError, isCoordTokError, messageOf, type Json } from "@coordtok/core";
import { readText, writeAtomically } from "@coordtok/core/node";
import { checkConfig, type TokenizerConfig } from "@coordtok/tokenizer";
import { parseCheckpointReference, parseStats, type CheckpointReference, type TriplaneStats } from "@coordtok/triplane";
import { isShardName } from "./shard.js";

/** The content of `index.json` of a latent dataset. */
export interface LatentIndex {
  /** The tokenizer that made the latents. */
  readonly config: TokenizerConfig;
  /** Its checkpoint; a relative path starts at the folder of the dataset. */
  readonly checkpoint: CheckpointReference;
  /** The settings that the clips were made with. */
  readonly settings: Readonly<Record<string, Json>>;
  /** The names of the classes in the order of their numbers; empty for a dataset without classes. */
  readonly classes: readonly string[];
  /** Number of clips. */
  readonly clips: number;
  /** The files of the clips, in the order in which clips are numbered. */
  readonly shards: readonly { readonly file: string; readonly clips: number }[];
  /** The statistics of all clips. */
  readonly statistics: TriplaneStats;
  /** Videos that gave no clip, and why. */
  readonly skipped: readonly { readonly video: string; readonly reason: string }[];
  /** Whether every video has been processed. */
  readonly complete: boolean;
  /** The program that wrote the file, with its version. */
  readonly creator: string;
}

const format = { kind: "coordtok.latents", version: 1 };
const keys: Record<keyof LatentIndex | keyof typeof format, true> = {
  kind: true,
  version: true,
  config: true,
  checkpoint: true,
  settings: true,
  classes: true,
  clips: true,
  shards: true,
  statistics: true,
  skipped: true,
  complete: true,
  creator: true,
};

/** The path of the index in the folder of a latent dataset. */
export function indexPath(folder: string): string {
  return join(folder, "index.json");
}

/** Writes the index, replacing an older one. */
export async function writeIndex(folder: string, index: LatentIndex): Promise<void> {
  await writeAtomically(indexPath(folder), `${JSON.stringify({ ...format, ...index }, undefined, 1)}\n`, {
    overwrite: true,
  });
}

/** Reads the index. @throws CoordTokError `file-not-found`, `file-format` for any other or a damaged file. */
export async function readIndex(folder: string): Promise<LatentIndex> {
  const path = indexPath(folder);
  const text = await readText(path).catch((thrown: unknown) => {
    if (!isCoordTokError(thrown) || thrown.code !== "file-not-found") throw thrown;
    throw new CoordTokError(
      "file-not-found",
      `There is no index.json in "${folder}"; expected a folder of encoded latents.`,
      { cause: thrown },
    );
  });
  try {
    return parseIndex(JSON.parse(text) as Record<string, unknown>);
  } catch (thrown) {
    throw new CoordTokError("file-format", `"${path}" is not the index of a latent dataset: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

function parseIndex({ kind, version, ...stored }: Record<string, unknown>): LatentIndex {
  if (kind !== format.kind) throw new CoordTokError("file-format", `its kind is ${JSON.stringify(kind)}.`);
  if (version !== format.version)
    throw new CoordTokError("file-format", `its version is ${JSON.stringify(version)}, this program reads 1.`);
  checkKnownKeys(stored, Object.keys(keys), "it");
  for (const name of ["classes", "shards", "skipped"])
    if (!Array.isArray(stored[name])) throw new CoordTokError("file-format", `its ${name} are not a list.`);
  return {
    ...(stored as unknown as LatentIndex),
    checkpoint: parseCheckpointReference(stored["checkpoint"]),
    shards: (stored["shards"] as readonly unknown[]).map(parseShard),
    config: checkConfig(stored["config"]),
    statistics: parseStats(stored["statistics"] as Json),
  };
}

function parseShard(stored: unknown): LatentIndex["shards"][number] {
  const { file, clips } = (stored ?? {}) as Record<string, unknown>;
  if (typeof file !== "string" || !isShardName(file))
    throw new CoordTokError("file-format", `one of its shards is called ${JSON.stringify(file)}.`);
  return { file, clips: checkInteger(clips, `clips of ${file}`, 1) };
}

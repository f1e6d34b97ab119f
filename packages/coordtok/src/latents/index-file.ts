import { join } from "node:path";
import { checkKnownKeys, CoordTokError, isCoordTokError, messageOf, type Json } from "@coordtok/core";
import { parseStoredJson, shownJson } from "@coordtok/core/text";
import { readText, writeAtomically } from "@coordtok/core/node";
import type { AnyTokenizerConfig } from "@coordtok/tokenizer";
import { parseCheckpointReference, parseStats, type CheckpointReference, type TriplaneStats } from "@coordtok/triplane";
import { checkAnyConfig, latentGeometry } from "./geometry.js";
import { checkStoredIndex, kindOfIndex } from "./stored.js";

/** The content of `index.json` of a latent dataset. */
export interface LatentIndex {
  /** The tokenizer that made the latents. */
  readonly config: AnyTokenizerConfig;
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
  /** Videos of which only a part decodes, and what is damaged; their clips are those that decode. Absent in older folders. */
  readonly damaged?: readonly { readonly video: string; readonly reason: string }[] | undefined;
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
  damaged: true,
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
    return parseIndex(parseStoredJson(text));
  } catch (thrown) {
    throw new CoordTokError("file-format", `"${path}" is not the index of a latent dataset: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

function parseIndex(stored: unknown): LatentIndex {
  const { kind, version } = kindOfIndex(stored);
  if (kind !== format.kind) throw new CoordTokError("file-format", `its kind is ${shownJson(kind)}.`);
  if (version !== format.version)
    throw new CoordTokError("file-format", `its version is ${shownJson(version)}, this program reads 1.`);
  checkKnownKeys(stored as object, Object.keys(keys), "it");
  const index = checkStoredIndex(stored);
  const config = checkAnyConfig(index.config);
  latentGeometry(config, index.settings);
  return {
    ...index,
    checkpoint: parseCheckpointReference(index.checkpoint),
    config,
    statistics: parseStats(index.statistics as Json),
  };
}

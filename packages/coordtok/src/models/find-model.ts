import { CoordTokError, isCoordTokError } from "@coordtok/core";
import { sha256OfFile } from "@coordtok/core/node";
import type { CheckpointReference } from "@coordtok/triplane";
import { findCheckpoint } from "../clip/triplane-file.js";
import { knownModel, knownModels, packagedFile } from "./known-models.js";
import { keptModels, placeOf, readRecord, weightsProblem } from "./model-cache.js";
import { nameText, remoteName } from "./model-name.js";
import type { NamingOptions } from "./naming-options.js";
import { pullModelIn } from "./pull-model.js";
import { thisWorld } from "./web-world.js";

/** What a file records of a model that was given by name: that name, at its commit where there is one; `undefined` for a path. */
export async function recordedName(given: string): Promise<string | undefined> {
  if (knownModel(given) !== undefined) return given;
  const name = isWebName(given) ? remoteName(given) : undefined;
  if (name === undefined) return undefined;
  const commit = (await readRecord(placeOf(name, thisWorld())))?.commit ?? undefined;
  return nameText(name.from === "hub" && commit !== undefined ? { ...name, revision: commit } : name);
}

/** Options of {@link findModel}. */
export interface FindModelOptions extends NamingOptions {
  /** The option of the caller that names another checkpoint (default `checkpoint`). */
  readonly option?: "checkpoint" | "tokenizer" | undefined;
}

/**
 * Finds the tokenizer that a file refers to by its SHA-256: among the known models and in the cache, otherwise at the recorded place or beside the
 * file; see `findCheckpoint`. A known model that the file names is fetched; what else a file names on the web is not, since a stranger may
 * have written it.
 * @param relation how the file depends on it, for messages: `was made with`.
 * @throws CoordTokError `checkpoint` when there is none.
 */
export async function findModel(
  file: string,
  reference: CheckpointReference,
  relation: string,
  { option = "checkpoint", ...options }: FindModelOptions = {},
): Promise<string> {
  const { signal } = options;
  const found = await findByChecksum(reference, options);
  if (found !== undefined) return found;
  if (!isWebName(reference.path)) return findCheckpoint(file, reference, relation, { signal, option });
  throw new CoordTokError(
    "checkpoint",
    `"${file}" ${relation} "${reference.path}", which is not on this machine; name that checkpoint to fetch it.`,
    { options: { [option]: reference.path } },
  );
}

async function findByChecksum(recorded: CheckpointReference, options: NamingOptions): Promise<string | undefined> {
  const { signal } = options;
  const world = thisWorld();
  for (const known of Object.values(knownModels)) {
    const path = packagedFile(known);
    if (path !== undefined && (await sha256OfFile(path, { signal })) === recorded.sha256) return path;
  }
  for (const kept of await keptModels(world))
    if (kept.record?.weights.sha256 === recorded.sha256)
      if ((await weightsProblem(kept, kept.record, options)) === undefined) return kept.weights;
  const known = knownModel(recorded.path);
  if (known === undefined || packagedFile(known) !== undefined) return undefined;
  const { path, sha256 } = await pullModelIn(world, recorded.path, options, false);
  return sha256 === recorded.sha256 ? path : undefined;
}

function isWebName(text: string): boolean {
  try {
    return remoteName(text) !== undefined;
  } catch (thrown) {
    if (isCoordTokError(thrown)) return false;
    throw thrown;
  }
}

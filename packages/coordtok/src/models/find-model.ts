import { sha256OfFile } from "@coordtok/core/node";
import type { LongCallOptions } from "@coordtok/core";
import type { CheckpointReference } from "@coordtok/triplane";
import { findCheckpoint } from "../clip/triplane-file.js";
import { knownModels, resolveModel } from "./resolve-model.js";

/**
 * Finds the tokenizer that a file refers to: the known model that it names, if its SHA-256 is the recorded one, otherwise the checkpoint at the
 * recorded place or beside the file; see `findCheckpoint`.
 * @throws CoordTokError `checkpoint` when there is none.
 */
export async function findModel(
  file: string,
  reference: CheckpointReference,
  relation: string,
  options: LongCallOptions & { readonly option?: "checkpoint" | "tokenizer" | undefined } = {},
): Promise<string> {
  if (Object.hasOwn(knownModels, reference.path)) {
    const place = await resolveModel(reference.path);
    if ((await sha256OfFile(place, { signal: options.signal })) === reference.sha256) return place;
  }
  return findCheckpoint(file, reference, relation, options);
}

import { openCheckpoint } from "@coordtok/core";
import { openFileSource, withNewest } from "@coordtok/core/node";
import {
  checkpointKind,
  formOfConfig,
  openTokenizer,
  type AnyTokenizer,
  type AnyTokenizerConfig,
  type OpenTokenizerOptions,
} from "@coordtok/tokenizer";
import { resolveModel } from "./resolve-model.js";

/**
 * Loads a tokenizer of either form by name.
 * @param name `starter`, `starter-bytes`, a checkpoint file, or a run folder for its newest checkpoint.
 * @returns the tokenizer, owned by the caller; `form` tells its form.
 * @throws CoordTokError `checkpoint` for an unknown name or a file that holds no tokenizer, `file-not-found`, `aborted`.
 */
export async function loadPretrained(name: string, options: OpenTokenizerOptions = {}): Promise<AnyTokenizer> {
  const source = await withNewest(name, async () => openFileSource(await resolveModel(name)));
  try {
    return await openTokenizer(source, options);
  } finally {
    await source.close();
  }
}

/** The form of a tokenizer that {@link loadPretrained} would load, without its weights. */
export async function formOfModel(name: string): Promise<AnyTokenizerConfig["form"]> {
  const source = await openFileSource(await resolveModel(name));
  try {
    return (await openCheckpoint(source, { kind: checkpointKind, parseConfig: formOfConfig })).config;
  } finally {
    await source.close();
  }
}

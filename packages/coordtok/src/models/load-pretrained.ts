import { openFileSource } from "@coordtok/core/node";
import { openTokenizer, type AnyTokenizer, type OpenTokenizerOptions } from "@coordtok/tokenizer";
import { resolveModel } from "./resolve-model.js";

/**
 * Loads a tokenizer of either form by name.
 * @param name `starter`, `starter-bytes`, a checkpoint file, or a run folder for its newest checkpoint.
 * @returns the tokenizer, owned by the caller; `form` tells its form.
 * @throws CoordTokError `checkpoint` for an unknown name or a file that holds no tokenizer, `file-not-found`, `aborted`.
 */
export async function loadPretrained(name: string, options: OpenTokenizerOptions = {}): Promise<AnyTokenizer> {
  const source = await openFileSource(await resolveModel(name));
  try {
    return await openTokenizer(source, options);
  } finally {
    await source.close();
  }
}

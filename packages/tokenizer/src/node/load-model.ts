import { checkOptions } from "@coordtok/core";
import { openFileSource, resolveCheckpoint, withNewest } from "@coordtok/core/node";
import { loadTokenizerOptionNames, type LoadTokenizerOptions } from "../checkpoint.js";
import { CoordTok } from "../coordtok.js";

/** Loads the tokenizer of a checkpoint file, or of the newest checkpoint of a run folder. @throws CoordTokError `file-not-found`, `file-format`, `checkpoint`. */
export async function loadModel(path: string, options: LoadTokenizerOptions = {}): Promise<CoordTok> {
  checkOptions(options, loadTokenizerOptionNames, "loadModel");
  const source = await withNewest(path, async () => openFileSource(await resolveCheckpoint(path)));
  try {
    return await CoordTok.load(source, options);
  } finally {
    await source.close();
  }
}

import { stat } from "node:fs/promises";
import { checkOptions, pickOptions } from "@coordtok/core";
import { resolveCheckpoint } from "@coordtok/core/node";
import { defaultModel, knownModel, packagedFile, unknownModel } from "./known-models.js";
import { remoteName } from "./model-name.js";
import { modelOptionNames, pullModelIn, type ModelOptions } from "./pull-model.js";
import { thisWorld } from "./web-world.js";

/**
 * Resolves the path of a checkpoint: of a model by its name, of a file, or of the newest checkpoint in a run folder. A known name takes
 * precedence over a file of that name, which can be given as `./NAME`. What is on the web is fetched into the cache when it is not there.
 * @param given a known model such as `starter`, `hf:OWNER/REPO[@REVISION]/FILE`, `https://…[#sha256=…]`, or a path (default `starter`).
 * @throws CoordTokError `checkpoint` for a name that is neither known nor a file, naming the known ones, and for a checkpoint of PyTorch;
 * what `pullModel` throws.
 */
export async function resolveModel(given: string = defaultModel, options: ModelOptions = {}): Promise<string> {
  checkOptions(options, modelOptionNames, "resolveModel");
  const known = knownModel(given);
  const packaged = known && packagedFile(known);
  if (packaged !== undefined && options.revision === undefined) return packaged;
  if (known !== undefined || remoteName(given, options.revision) !== undefined)
    return (await pullModelIn(thisWorld(), given, pickOptions(options, modelOptionNames), false)).path;
  if (isName(given) && (await stat(given).catch(() => undefined)) === undefined) throw unknownModel(given);
  return resolveCheckpoint(given);
}

/** Whether a text may be the name of a model: it has no folder and no extension. */
function isName(given: string): boolean {
  return /^[\w-]+$/.test(given);
}

import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { CoordTokError, nearestName } from "@coordtok/core";
import { resolveCheckpoint } from "@coordtok/core/node";
import * as packaged from "@coordtok/starter";
import models from "../../models.json" with { type: "json" };

/** The facts about a model that has a name. */
export interface KnownModel {
  /** A short description. */
  readonly what: string;
  /** The form of the tokenizer. */
  readonly form: string;
  /** The licence of its weights, as an SPDX identifier. */
  readonly licence: string;
  /** The package that holds the weights, and its export that locates them. */
  readonly where: string;
}

/** The models that have a name. */
export const knownModels: Readonly<Record<string, KnownModel>> = models;

/** The model that is used when none is named. */
const defaultModel = "starter";

/**
 * Resolves the path of a tokenizer's checkpoint: of a model by its name, of a file, or of the newest checkpoint in a run folder. A
 * known name takes precedence over a file of that name, which can be given as `./NAME`.
 * @throws CoordTokError `checkpoint` for a name that is neither known nor a file, naming the known ones, and for a checkpoint of PyTorch.
 */
export async function resolveModel(given: string = defaultModel): Promise<string> {
  const known = Object.hasOwn(knownModels, given) ? knownModels[given] : undefined;
  if (known !== undefined) return fileURLToPath(placeOf(known));
  if (isName(given) && (await stat(given).catch(() => undefined)) === undefined) {
    const names = Object.keys(knownModels);
    const nearest = nearestName(given, names);
    const hint = nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
    throw new CoordTokError(
      "checkpoint",
      `There is no model or file called "${given}"${hint}; the known models are ${names.join(" and ")}.`,
    );
  }
  return resolveCheckpoint(given);
}

/** Whether a text may be the name of a model: it has no folder and no extension. */
function isName(given: string): boolean {
  return /^[\w-]+$/.test(given);
}

function placeOf({ where }: KnownModel): URL {
  const name = where.slice(where.indexOf("#") + 1) as keyof typeof packaged;
  return packaged[name];
}

import { fileURLToPath } from "node:url";
import { CoordTokError, nearestName } from "@coordtok/core";
import * as packaged from "@coordtok/starter";
import models from "../../models.json" with { type: "json" };

/** The facts about a model that has a name. */
export interface KnownModel {
  /** A short description. */
  readonly what: string;
  /** What it is: `tokenizer` or `generator`. */
  readonly kind: string;
  /** The form of the tokenizer, or of the one whose planes it generates. */
  readonly form: string;
  /** The licence of its weights, as an SPDX identifier; `null` where its publisher states none. */
  readonly licence: string | null;
  /** The package that holds the weights and its export that locates them, such as `@coordtok/starter#starter`, or an `hf:` name. */
  readonly where: string;
}

/** The models that have a name. */
export const knownModels: Readonly<Record<string, KnownModel>> = models;

/** The model that is used when none is named. */
export const defaultModel = "starter";

/** The known model of a name. */
export function knownModel(name: string): KnownModel | undefined {
  return Object.hasOwn(knownModels, name) ? knownModels[name] : undefined;
}

/** The weights file of a model that comes with a package; `undefined` for any other. */
export function packagedFile({ where }: KnownModel): string | undefined {
  if (!where.startsWith("@")) return undefined;
  return fileURLToPath(packaged[where.slice(where.indexOf("#") + 1) as keyof typeof packaged]);
}

/** The error for a name that nobody knows. */
export function unknownModel(given: string): CoordTokError {
  const names = Object.keys(knownModels);
  const nearest = nearestName(given, names);
  const hint = nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
  return new CoordTokError(
    "checkpoint",
    `There is no model or file called "${given}"${hint}; the known models are ${names.slice(0, -1).join(", ")} and ${names.at(-1)}.`,
  );
}

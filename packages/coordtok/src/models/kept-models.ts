import {
  checkOptions,
  CoordTokError,
  nearestName,
  type LongCallOptions,
  type Notices,
  type OptionNames,
} from "@coordtok/core";
import { knownModel, knownModels, packagedFile } from "./known-models.js";
import { keptModels, lockModel, placeOf, removeModel, type KeptModel } from "./model-cache.js";
import { remoteName } from "./model-name.js";
import { stat } from "node:fs/promises";
import { modelsFolder, thisWorld, type WebWorld } from "./web-world.js";

/** A model that is known or in the cache. */
export interface ListedModel {
  /** Its name: of a known model, else `hf:…` or an address without its query. */
  readonly name: string;
  /** A short description of a known model. */
  readonly what: string | undefined;
  /** The licence of the weights; `null` where none is stated or it is not known. */
  readonly licence: string | null;
  /** Where it is: in a package, complete in the cache, partly in the cache, or not on this machine. */
  readonly state: "package" | "cached" | "partial" | "absent";
  /** What it takes on this machine, in bytes. */
  readonly bytes: number;
  /** Its checkpoint, if it is there. */
  readonly path: string | undefined;
}

/** The models on this machine and those that have a name. */
export interface ModelList {
  /** The folder of the cache. */
  readonly folder: string;
  /** The models: first the known ones, then others in the cache. */
  readonly models: readonly ListedModel[];
  /** What the cache takes, in bytes. */
  readonly cachedBytes: number;
}

/** Lists the models that have a name and those in the cache. Nothing is fetched. */
export async function listModels(): Promise<ModelList> {
  return listModelsIn(thisWorld());
}

/** As {@link listModels}, in the given surroundings. */
export async function listModelsIn(world: WebWorld): Promise<ModelList> {
  const kept = await keptModels(world);
  const models: ListedModel[] = [];
  const named = new Set<string>();
  for (const [name, { what, licence, where }] of Object.entries(knownModels)) {
    const path = packagedFile(knownModels[name]!);
    if (path !== undefined) {
      models.push({ name, what, licence, state: "package", bytes: (await stat(path)).size, path });
      continue;
    }
    const { folder } = placeOf(remoteName(where)!, world);
    named.add(folder);
    const found = kept.find((one) => one.folder === folder);
    models.push({ name, what, licence, ...stateOf(found) });
  }
  for (const found of kept.filter(({ folder }) => !named.has(folder)))
    models.push({
      name: nameOf(found),
      what: undefined,
      licence: found.record?.licence ?? null,
      ...stateOf(found),
    });
  return { folder: modelsFolder(world), models, cachedBytes: kept.reduce((all, { bytes }) => all + bytes, 0) };
}

function nameOf({ record, folder }: KeptModel): string {
  return record?.name ?? folder.split(/[\\/]/).at(-1)!;
}

function stateOf(found: KeptModel | undefined): Pick<ListedModel, "state" | "bytes" | "path"> {
  if (found === undefined) return { state: "absent", bytes: 0, path: undefined };
  const { record, weights, bytes } = found;
  return record === undefined
    ? { state: "partial", bytes, path: undefined }
    : { state: "cached", bytes, path: weights };
}

/** Options of {@link clearModels}. */
export interface ClearModelsOptions extends Pick<LongCallOptions, "signal">, Pick<Notices, "onNote"> {
  /** The model to remove, as it was asked for or as {@link listModels} calls it (default: all in the cache). */
  readonly name?: string | undefined;
}

const clearOptionNames: OptionNames<ClearModelsOptions> = { name: true, signal: true, onNote: true };

/** What {@link clearModels} removed. */
export interface ClearedModels {
  /** The names of the models. */
  readonly removed: readonly string[];
  /** What they took, in bytes. */
  readonly bytes: number;
}

/**
 * Removes models from the cache, with partial downloads and what is recorded about them.
 * @throws CoordTokError `checkpoint` for a name that is not in the cache; `aborted`.
 */
export async function clearModels(options: ClearModelsOptions = {}): Promise<ClearedModels> {
  checkOptions(options, clearOptionNames, "clearModels");
  return clearModelsIn(thisWorld(), options);
}

/** As {@link clearModels}, in the given surroundings. */
export async function clearModelsIn(world: WebWorld, options: ClearModelsOptions): Promise<ClearedModels> {
  const { name } = options;
  const kept = await keptModels(world);
  const chosen = name === undefined ? kept : kept.filter((one) => isCalled(one, name, world));
  if (name !== undefined && chosen.length === 0) {
    const names = kept.map(nameOf);
    const nearest = nearestName(name, names);
    const hint = nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
    throw new CoordTokError("checkpoint", `There is no "${name}" in the cache of models${hint}.`);
  }
  for (const one of chosen) {
    await using lock = await lockModel(one, nameOf(one), world, options);
    await lock.check();
    await removeModel(one);
  }
  return { removed: chosen.map(nameOf), bytes: chosen.reduce((all, { bytes }) => all + bytes, 0) };
}

function isCalled(one: KeptModel, name: string, world: WebWorld): boolean {
  if (nameOf(one) === name || one.folder.endsWith(`/${name}`)) return true;
  const known = knownModel(name);
  if (known !== undefined && packagedFile(known) !== undefined) return false;
  const remote = remoteName(known?.where ?? name);
  return remote !== undefined && placeOf(remote, world).folder === one.folder;
}

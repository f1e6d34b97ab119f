import { createHash } from "node:crypto";
import { lstat, mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { CoordTokError, isCoordTokError, messageOf, type LongCallOptions, type Notices } from "@coordtok/core";
import { checkStored } from "@coordtok/core/checks";
import {
  acquireLock,
  type Lock,
  checkFiles,
  makePrivateFolder,
  readTextIfThere,
  trustHelp,
  trustProblem,
  writeAtomically,
} from "@coordtok/core/node";
import { parseStoredJson } from "@coordtok/core/text";
import * as v from "valibot";
import { nameText, type RemoteName } from "./model-name.js";
import { hubEndpoint, modelsFolder, type WebWorld } from "./web-world.js";

const recordName = "model.json";
/** The only name of weights in the folder of a model. */
const weightsName = "weights.safetensors";
/** The name of a download that is not complete. */
const downloadName = "download.partial";

const sum = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const bytes = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(2000));

/** What is recorded about a model that was fetched. */
export interface ModelRecord {
  readonly kind: "coordtok.model";
  readonly version: 1;
  /** Its name, `hf:…` or an address without its query. */
  readonly name: string;
  /** The commit of the hub's repository. */
  readonly commit: string | null;
  /** What told its version apart, for servers that know no SHA-256. */
  readonly validator: string | null;
  /** The licence that its repository states. */
  readonly licence: string | null;
  /** ISO 8601. */
  readonly fetchedAt: string;
  /** The file that was fetched, and who named its SHA-256: the hub, the user, or nobody, so that the first one seen counts. */
  readonly source: {
    readonly bytes: number;
    readonly sha256: string;
    readonly sumFrom: "hub" | "name" | "first seen";
  };
  /** What is kept of it, and whether it was converted. */
  readonly weights: {
    readonly bytes: number;
    readonly sha256: string;
    readonly converted: boolean;
    readonly holds: "tokenizer" | "generator";
  };
}

const recordSchema: v.GenericSchema<unknown, ModelRecord> = v.object({
  kind: v.literal("coordtok.model"),
  version: v.literal(1),
  name: text,
  commit: v.nullable(v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/))),
  validator: v.nullable(text),
  licence: v.nullable(text),
  fetchedAt: text,
  source: v.object({ bytes, sha256: sum, sumFrom: v.picklist(["hub", "name", "first seen"]) }),
  weights: v.object({ bytes, sha256: sum, converted: v.boolean(), holds: v.picklist(["tokenizer", "generator"]) }),
});

/** The folder of a model in the cache. */
export interface ModelPlace {
  readonly folder: string;
  readonly weights: string;
  readonly download: string;
  readonly converted: string;
}

/** Where a model is kept, whether it is there or not. */
export function placeOf(name: RemoteName, world: WebWorld): ModelPlace {
  const identity =
    name.from === "hub" ? [hubEndpoint(world), name.repository, name.revision, name.file] : [name.url.href];
  const mark = createHash("sha256").update(JSON.stringify(identity)).digest("hex").slice(0, 12);
  const words = nameText(name)
    .replace(/^(?:hf:|https?:\/\/)/, "")
    .replaceAll(/[^\w.]+/g, "-")
    .slice(-60);
  return placeIn(join(modelsFolder(world), `${words.replace(/^[.-]+/, "")}-${mark}`));
}

function placeIn(folder: string): ModelPlace {
  return {
    folder,
    weights: join(folder, weightsName),
    download: join(folder, downloadName),
    converted: join(folder, "converted.safetensors"),
  };
}

/** Reads the record of a model; `undefined` when it was never fetched. @throws CoordTokError `file-format` when it is damaged. */
export async function readRecord({ folder }: ModelPlace): Promise<ModelRecord | undefined> {
  const path = join(folder, recordName);
  const stored = await readTextIfThere(path, { mostBytes: 65_536 });
  if (stored === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = parseStoredJson(stored);
  } catch {
    parsed = undefined;
  }
  return checkStored(recordSchema, parsed, `"${path}"`);
}

/** Writes the record of a model. */
export async function writeRecord({ folder }: ModelPlace, record: ModelRecord): Promise<void> {
  await writeAtomically(join(folder, recordName), `${JSON.stringify(record, undefined, 2)}\n`, { overwrite: true });
}

/** Checks the weights of a model against its record. @returns a clause about what is wrong with them, if anything. */
export async function weightsProblem(
  { folder }: ModelPlace,
  { weights }: ModelRecord,
  options: Pick<LongCallOptions, "signal"> = {},
): Promise<string | undefined> {
  const { bytes, sha256 } = weights;
  return checkFiles(folder, [{ path: weightsName, bytes, sha256 }], { signal: options.signal });
}

/** Locks a model against other processes and makes its folder. */
export async function lockModel(
  { folder }: ModelPlace,
  name: string,
  world: WebWorld,
  { signal, onNote }: Pick<LongCallOptions & Notices, "signal" | "onNote">,
): Promise<Lock> {
  const models = modelsFolder(world);
  const locks = join(models, "locks");
  try {
    for (const place of [join(models, ".."), models, folder]) {
      const problem = await trustProblem(place);
      if (problem !== undefined)
        throw new CoordTokError(
          "file-write",
          `Models cannot be kept in this cache: ${problem}, so others could change them; ${trustHelp}.`,
        );
    }
    await makePrivateFolder(models);
    await mkdir(locks, { recursive: true });
    const lock = await acquireLock(join(locks, `${folder.slice(models.length + 1)}.lock`), {
      signal,
      onWait: ({ pid, host, here }) =>
        onNote?.(
          `Another process (${pid}${here ? "" : ` of another machine or container, ${host}`}) is fetching "${name}"; waiting for it.`,
        ),
    });
    await mkdir(folder, { recursive: true });
    return lock;
  } catch (thrown) {
    if (isCoordTokError(thrown)) throw thrown;
    throw new CoordTokError(
      "file-write",
      `The cache folder "${models}" cannot be written to (${messageOf(thrown)}); choose another place with COORDTOK_CACHE.`,
      { cause: thrown },
    );
  }
}

/** A folder of a model in the cache. */
export interface KeptModel extends ModelPlace {
  /** Its record; `undefined` when only part of a download is there, or the record is damaged. */
  readonly record: ModelRecord | undefined;
  /** What its files take, in bytes. */
  readonly bytes: number;
  /** The bytes of a download that is not complete. */
  readonly partialBytes: number;
}

/** The names that the folder of a model may hold. */
const ours =
  /^(?:model\.json|(?:weights|converted)\.safetensors|download\.partial(?:\.json)?|checked\.json|\..*\.partial(?:\.\w+)?)$/;

/** Lists the models in the cache, by the names of their folders. */
export async function keptModels(world: WebWorld): Promise<KeptModel[]> {
  const models = modelsFolder(world);
  const kept: KeptModel[] = [];
  for (const folder of (await readdir(models).catch(() => [])).sort()) {
    if (!/-[0-9a-f]{12}$/.test(folder)) continue;
    const place = placeIn(join(models, folder));
    const sizes = new Map<string, number>();
    for (const file of await readdir(place.folder).catch(() => []))
      if (ours.test(file)) sizes.set(file, (await lstat(join(place.folder, file)).catch(() => undefined))?.size ?? 0);
    if (sizes.size === 0) continue;
    const record = await readRecord(place).catch(() => undefined);
    const bytes = [...sizes.values()].reduce((all, size) => all + size, 0);
    kept.push({ ...place, record, bytes, partialBytes: sizes.get(downloadName) ?? 0 });
  }
  return kept;
}

/** Removes a model from the cache, file by file; what is not ours stays, and its folder with it. */
export async function removeModel({ folder }: ModelPlace): Promise<void> {
  for (const file of await readdir(folder).catch(() => []))
    if (ours.test(file)) await rm(join(folder, file), { force: true });
  await rmdir(folder).catch(() => undefined);
}

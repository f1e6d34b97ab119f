import { rename, rm, stat } from "node:fs/promises";
import {
  checkOptions,
  checkpointKind,
  CoordTokError,
  isCoordTokError,
  openSafetensors,
  type OptionNames,
} from "@coordtok/core";
import { openFileSource, sha256OfFile, type Lock } from "@coordtok/core/node";
import { checkDiskSpace, downloadFile, removeDownload } from "@coordtok/core/web";
import { convertFile } from "../convert/convert.js";
import { isTorchName, openWeights } from "../convert/weights-file.js";
import { knownModel, packagedFile, unknownModel } from "./known-models.js";
import {
  lockModel,
  placeOf,
  readRecord,
  weightsProblem,
  writeRecord,
  type ModelPlace,
  type ModelRecord,
} from "./model-cache.js";
import { changedModel, missingModel } from "./model-errors.js";
import { isFixed, nameText, remoteName, type RemoteName } from "./model-name.js";
import { namingOptionNames, type NamingOptions } from "./naming-options.js";
import { askForFile, askLicence, requestOptions, type RemoteFile } from "./remote-file.js";
import { isOfflineByEnvironment, thisWorld, type WebWorld } from "./web-world.js";

/** Options of {@link pullModel}. */
export interface ModelOptions extends NamingOptions {
  /** A branch, a tag or a commit of the repository, in place of the one in the name. */
  readonly revision?: string | undefined;
}

/** The names of {@link ModelOptions}. */
export const modelOptionNames: OptionNames<ModelOptions> = { ...namingOptionNames, revision: true };

/** A model that is on this machine. */
export interface PulledModel {
  /** The name that it was asked for by; of an address without its query. */
  readonly name: string;
  /** Where its weights come from: a package, `hf:…`, or an address without its query. */
  readonly from: string;
  /** Its checkpoint. */
  readonly path: string;
  /** The size of the checkpoint in bytes. */
  readonly bytes: number;
  /** The SHA-256 of the checkpoint. */
  readonly sha256: string;
  /** What it holds. */
  readonly holds: "tokenizer" | "generator";
  /** The licence of the weights; `null` where none is stated. */
  readonly licence: string | null;
  /** The commit of the repository; `null` where there is none. */
  readonly commit: string | null;
  /** The file that was fetched: its size, its SHA-256, and who named that: the hub, the name, or nobody, so that the first one seen counts. */
  readonly source: ModelRecord["source"] | undefined;
  /** Whether it was converted from another format. */
  readonly converted: boolean;
  /** Whether it was there already. */
  readonly alreadyThere: boolean;
}

/**
 * Fetches a model into the cache, converts official weights on the way, and checks on a later call whether there is a newer one. What comes is
 * compared with the SHA-256 that the name or the hub gives; where there is none, the first one seen is recorded and a change is refused. An
 * interrupted download goes on.
 * @param name a known model such as `coordtok-l-ucf101`, `hf:OWNER/REPO[@REVISION]/FILE`, or `https://…[#sha256=…]`.
 * @throws CoordTokError `network`, `checkpoint` for an unknown name, what is no model, and a changed file; `input`, `file-write`, `aborted`.
 */
export async function pullModel(name: string, options: ModelOptions = {}): Promise<PulledModel> {
  checkOptions(options, modelOptionNames, "pullModel");
  return pullModelIn(thisWorld(), name, options, true);
}

/**
 * As {@link pullModel}, in the given surroundings.
 * @param refresh asks whether there is a newer one; otherwise one that is there is used as it is.
 */
export async function pullModelIn(
  world: WebWorld,
  given: string,
  options: ModelOptions,
  refresh: boolean,
): Promise<PulledModel> {
  const known = knownModel(given);
  const packaged = known && packagedFile(known);
  if (known !== undefined && packaged !== undefined) return pulledFromPackage(given, known, packaged, options);
  const name = remoteName(known?.where ?? given, options.revision);
  if (name === undefined) throw unknownModel(given);
  const offline = options.offline ?? isOfflineByEnvironment(world);
  const place = placeOf(name, world);
  const label = known === undefined ? nameText(name) : given;
  const described = (record: ModelRecord, alreadyThere: boolean): PulledModel => ({
    name: label,
    from: record.name,
    path: place.weights,
    bytes: record.weights.bytes,
    sha256: record.weights.sha256,
    holds: record.weights.holds,
    licence: known === undefined ? record.licence : known.licence,
    commit: record.commit,
    source: record.source,
    converted: record.weights.converted,
    alreadyThere,
  });
  if (offline || !refresh || isFixed(name)) {
    const record = await usableRecord(place, name, { signal: options.signal });
    if (record !== undefined) return described(record, true);
  }
  if (offline) throw missingModel(label);
  await using lock = await lockModel(place, nameText(name), world, options);
  const before = await usableRecord(place, name, options);
  if (before !== undefined && (!refresh || isFixed(name))) return described(before, true);
  const remote = await askForFile(name, world, options);
  if (before !== undefined && isUnchanged(before, remote)) return described(before, true);
  return described(await fetchInto({ place, lock }, name, remote, world, options), false);
}

async function pulledFromPackage(
  name: string,
  { licence, where, kind }: { readonly licence: string | null; readonly where: string; readonly kind: string },
  path: string,
  { revision, signal }: ModelOptions,
): Promise<PulledModel> {
  if (revision !== undefined)
    throw new CoordTokError("input", `"${name}" comes with a package and has no revisions; leave the revision out.`, {
      options: { revision: undefined },
    });
  return {
    name,
    from: where.slice(0, where.indexOf("#")),
    path,
    bytes: (await stat(path)).size,
    sha256: await sha256OfFile(path, { signal }),
    holds: kind === "generator" ? "generator" : "tokenizer",
    licence,
    commit: null,
    source: undefined,
    converted: false,
    alreadyThere: true,
  };
}

/** The record of a model whose weights are in order; `undefined` when they have to be fetched. */
async function usableRecord(
  place: ModelPlace,
  { sha256 }: RemoteName,
  options: ModelOptions,
): Promise<ModelRecord | undefined> {
  const record = await readRecord(place);
  if (record === undefined || (sha256 !== undefined && record.source.sha256 !== sha256)) return undefined;
  const problem = await weightsProblem(place, record, options);
  if (problem === undefined) return record;
  options.onNote?.(`${problem}, so it is fetched again.`);
  return undefined;
}

function isUnchanged({ source, validator }: ModelRecord, remote: RemoteFile): boolean {
  if (remote.sha256 !== undefined) return remote.sha256 === source.sha256;
  return source.bytes === remote.bytes && validator !== null && validator === remote.validator;
}

async function fetchInto(
  { place, lock }: { readonly place: ModelPlace; readonly lock: Lock },
  name: RemoteName,
  remote: RemoteFile,
  world: WebWorld,
  options: ModelOptions,
): Promise<ModelRecord> {
  const text = nameText(name);
  const expected = expectedSum(name, remote, await readRecord(place));
  if (expected?.sumFrom === "first seen" && expected.bytes !== remote.bytes) throw changedModel(text);
  const request = requestOptions(name, world, options);
  const { onProgress } = options;
  const file = name.from === "hub" ? name.file : name.url.pathname;
  // A conversion needs room for both files.
  const needed = isTorchName(file) ? 2 * remote.bytes : remote.bytes;
  await checkDiskSpace(place.folder, needed - (await sizeOf(place.download)), text, world.freeBytes);
  const toFetch = {
    url: remote.url,
    name: text,
    bytes: remote.bytes,
    sha256: expected?.sha256,
    validator: remote.validator,
  };
  const sha256 = await downloadFile(place.download, toFetch, {
    ...request,
    onProgress,
    freeBytes: world.freeBytes,
  }).catch((thrown: unknown) => {
    const isOther = isCoordTokError(thrown) && thrown.code === "checkpoint";
    throw isOther && expected?.sumFrom === "first seen" ? changedModel(text, thrown) : thrown;
  });
  const licence = name.from === "hub" ? await askLicence(name, world, options).catch(() => null) : null;
  await lock.check();
  const weights = await intoPlace(place, text, options);
  const record: ModelRecord = {
    kind: "coordtok.model",
    version: 1,
    name: text,
    commit: remote.commit ?? null,
    validator: remote.validator ?? null,
    licence,
    fetchedAt: new Date().toISOString(),
    source: { bytes: remote.bytes, sha256, sumFrom: expected?.sumFrom ?? "first seen" },
    weights,
  };
  await writeRecord(place, record);
  await removeDownload(place.download);
  return record;
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** The SHA-256 that a file must have: that of the name or of the hub, else the first one that was seen. */
function expectedSum(
  name: RemoteName,
  remote: RemoteFile,
  record: ModelRecord | undefined,
): ModelRecord["source"] | undefined {
  const { sha256 } = name;
  const { bytes } = remote;
  if (sha256 !== undefined && remote.sha256 !== undefined && sha256 !== remote.sha256)
    throw new CoordTokError(
      "checkpoint",
      `"${nameText(name)}" is asked for with the SHA-256 ${sha256}, but the server has one of ${remote.sha256}; nothing was fetched.`,
    );
  if (sha256 !== undefined) return { bytes, sha256, sumFrom: "name" };
  if (remote.sha256 !== undefined) return { bytes, sha256: remote.sha256, sumFrom: "hub" };
  return record && { ...record.source, sumFrom: "first seen" };
}

/** Puts a complete download in place as one of our checkpoints, converted if it is not one yet. */
async function intoPlace(place: ModelPlace, name: string, options: ModelOptions): Promise<ModelRecord["weights"]> {
  const { signal, onProgress, onWarning } = options;
  try {
    const format = await formatOf(place.download);
    if (format === "ours") {
      const holds = await contentOf(place.download, name);
      await rename(place.download, place.weights);
      return { ...(await factsOf(place.weights, signal)), converted: false, holds };
    }
    await convertFile(place.download, place.converted, { overwrite: true, signal, onProgress, onWarning });
    const holds = await contentOf(place.converted, name);
    await rename(place.converted, place.weights);
    return { ...(await factsOf(place.weights, signal)), converted: true, holds };
  } catch (thrown) {
    if (!isCoordTokError(thrown) || !unusable.has(thrown.code)) throw thrown;
    await Promise.all([removeDownload(place.download), rm(place.converted, { force: true })]);
    const sentence = [place.download, place.converted].reduce(
      (text, path) => text.replaceAll(path, name),
      thrown.sentence,
    );
    throw new CoordTokError("checkpoint", `"${name}" is no checkpoint that can be used: ${sentence}`, {
      cause: thrown,
    });
  }
}

const unusable: ReadonlySet<string> = new Set([
  "checkpoint",
  "config",
  "file-format",
  "not-finite",
  "unsupported",
  "usage",
]);

async function formatOf(path: string): Promise<string> {
  const source = await openFileSource(path);
  try {
    return (await openWeights(source)).format;
  } finally {
    await source.close();
  }
}

async function contentOf(path: string, name: string): Promise<"tokenizer" | "generator"> {
  const source = await openFileSource(path);
  try {
    const kind = checkpointKind(await openSafetensors(source));
    if (kind === "tokenizer") return kind;
    if (kind === "diffusion") return "generator";
    throw new CoordTokError(
      "checkpoint",
      `Expected a tokenizer or a generator in "${name}", got another kind of file.`,
    );
  } finally {
    await source.close();
  }
}

async function factsOf(
  path: string,
  signal: AbortSignal | undefined,
): Promise<Pick<ModelRecord["weights"], "bytes" | "sha256">> {
  return { bytes: (await stat(path)).size, sha256: await sha256OfFile(path, { signal }) };
}

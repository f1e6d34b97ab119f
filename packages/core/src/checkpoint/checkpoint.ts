import type { Tensor } from "@tensorflow/tfjs-core";
import type { Json } from "../config.js";
import { CoordTokError, messageOf } from "../errors.js";
import type { LongCallOptions } from "../progress.js";
import { treeEntries, type TensorTree } from "../tree.js";
import { assignStrict, readTensors, type ExpectedShapes } from "./assign.js";
import { floatWeights } from "./int8.js";
import type { RangeSource } from "./range-source.js";
import { openSafetensors, type SafetensorsFile } from "./safetensors-read.js";
import { encodeSafetensors, type EncodeOptions } from "./safetensors-write.js";
import { checkOptions, longCallOptionNames, type OptionNames } from "../options.js";
import { parseStoredJson } from "../text/json.js";

/** The metadata keys that describe a checkpoint in its safetensors file; all other keys belong to the caller. */
const keys = { kind: "coordtok.kind", format: "coordtok.format", config: "coordtok.config" } as const;

/** The version of the layout that is written, and the newest that can be read, for kinds that name no other. */
const firstVersion = 1;

/** Tensors and the configuration they belong to, as stored in one safetensors file. */
export interface Checkpoint<Config> {
  /** What the file is for, such as `tokenizer`. */
  readonly kind: string;
  /** The configuration that `parseConfig` returned. */
  readonly config: Config;
  /** The tensors by the path of their leaf, such as `decoder.blocks.0.attention.query.kernel`; `nestTensors` makes a tree of them. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The caller's own metadata. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** A checkpoint whose tensors have not been read. */
export interface CheckpointFile<Config> extends Omit<Checkpoint<Config>, "tensors"> {
  /** The version of the layout, from 1. */
  readonly version: number;
  /** The file, to look at its entries or to read single tensors. */
  readonly file: SafetensorsFile;
}

/** The kind of checkpoint to expect. */
export interface ExpectedCheckpoint<Config> {
  /** The only kind accepted. */
  readonly kind: string;
  /** Checks the stored configuration and returns it typed; throws a `CoordTokError` if it is invalid. */
  readonly parseConfig: (stored: Json) => Config;
  /** The newest version of the layout that is read (default 1). */
  readonly version?: number | undefined;
}

/** Options of {@link loadCheckpoint}. */
export interface LoadOptions<Config> extends ExpectedCheckpoint<Config>, LongCallOptions {
  /**
   * The names and shapes that a configuration requires. If given, the file must match them exactly and hold floating-point
   * numbers (`assignStrict`); otherwise everything is read.
   */
  readonly shapes?: ((config: Config) => ExpectedShapes) | undefined;
  /** Reads only the tensors whose names begin with this prefix, and removes it from the names (default: all tensors). */
  readonly prefix?: string | undefined;
}

const loadOptionNames: OptionNames<LoadOptions<unknown>> = {
  ...longCallOptionNames,
  shapes: true,
  prefix: true,
  kind: true,
  parseConfig: true,
  version: true,
};

/** Returns the kind of a checkpoint of this project, or `undefined` for any other safetensors file. */
export function checkpointKind(file: SafetensorsFile): string | undefined {
  return file.metadata.get(keys.kind);
}

/**
 * Opens a checkpoint without reading its tensors.
 * @throws CoordTokError `file-format` for a broken file, `checkpoint` for another kind, a newer layout or an invalid configuration.
 */
export async function openCheckpoint<Config>(
  source: RangeSource | Uint8Array | Blob,
  expected: ExpectedCheckpoint<Config>,
): Promise<CheckpointFile<Config>> {
  const file = await openSafetensors(source);
  const kind = checkpointKind(file);
  if (kind === undefined)
    throw new CoordTokError(
      "checkpoint",
      `Expected a file of kind ${expected.kind}, but ${file.name} is a safetensors file that CoordTok.ts did not write; convert it first if it holds weights of the published model.`,
      { remedy: ["convertFile"] },
    );
  if (kind !== expected.kind)
    throw new CoordTokError(
      "checkpoint",
      `Expected a file of kind ${expected.kind}, but ${file.name} is of kind ${kind}.`,
    );
  const version = checkVersion(file, expected.version ?? firstVersion);
  const metadata = new Map([...file.metadata].filter(([key]) => !(Object.values(keys) as string[]).includes(key)));
  return { kind, version, config: parseConfigOf(file, expected), metadata, file };
}

function checkVersion(file: SafetensorsFile, newest: number): number {
  const version = Number(file.metadata.get(keys.format));
  if (!(Number.isInteger(version) && version >= 1))
    throw new CoordTokError("checkpoint", `The format version of ${file.name} is missing or not a number.`);
  if (version > newest)
    throw new CoordTokError(
      "checkpoint",
      `${file.name} is of format ${version}, newer than the ${newest} that this version reads; update CoordTok.ts.`,
    );
  return version;
}

function parseConfigOf<Config>(file: SafetensorsFile, expected: ExpectedCheckpoint<Config>): Config {
  try {
    return expected.parseConfig(parseStoredJson(file.metadata.get(keys.config) ?? "") as Json);
  } catch (thrown) {
    throw new CoordTokError("checkpoint", `The configuration in ${file.name} is not valid: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

/**
 * Loads a checkpoint; int8 weights become float32. A failure leaves nothing in memory.
 * @param source a file (`openFileSource` of `@coordtok/core/node`), a blob, or the bytes. It may be closed afterwards.
 * @returns the checkpoint; its tensors are owned by the caller.
 * @throws CoordTokError as {@link openCheckpoint}, and `checkpoint` when the tensors do not fit the configuration.
 */
export async function loadCheckpoint<Config>(
  source: RangeSource | Uint8Array | Blob,
  options: LoadOptions<Config>,
): Promise<Checkpoint<Config>> {
  checkOptions(options, loadOptionNames, "loadCheckpoint");
  const { file: stored, kind, config, metadata } = await openCheckpoint(source, options);
  const rest = { kind, config, metadata };
  const file = floatWeights(stored);
  const { prefix = "", shapes, signal, onProgress } = options;
  const loading = { signal, onProgress };
  if (shapes) return { ...rest, tensors: await assignStrict(shapes(rest.config), file, { prefix, ...loading }) };
  const names = [...file.entries.keys()].filter((name) => name.startsWith(prefix));
  const bare = names.map((name) => name.slice(prefix.length));
  return { ...rest, tensors: await readTensors(file, bare, prefix, loading) };
}

/** The content that {@link saveCheckpoint} stores. */
export interface CheckpointContent {
  /** What the file is for, such as `tokenizer`. */
  readonly kind: string;
  /** The version of the layout (default 1). */
  readonly version?: number | undefined;
  /** Plain data that `parseConfig` understands. */
  readonly config: Json;
  /** The tensors as a tree, or by name. */
  readonly tensors: TensorTree | ReadonlyMap<string, Tensor>;
  /** The caller's own metadata; keys that begin with `coordtok.` are reserved. */
  readonly metadata?: Readonly<Record<string, string>> | ReadonlyMap<string, string> | undefined;
}

const saveCheckpointOptionNames: OptionNames<Omit<EncodeOptions, "finite">> = { dtype: true };

/**
 * Yields the bytes of a checkpoint file in pieces, for `writeAtomically` of `@coordtok/core/node` or a `Blob`. Nothing is disposed.
 * @throws CoordTokError `checkpoint` for names or metadata keys that cannot be stored, `not-finite` for numbers that are not finite.
 */
export function saveCheckpoint(
  content: CheckpointContent,
  options: Omit<EncodeOptions, "finite"> = {},
): AsyncGenerator<Uint8Array, void> {
  checkOptions(options, saveCheckpointOptionNames, "saveCheckpoint");
  const { tensors } = content;
  const leaves = isNamed(tensors) ? [...tensors] : treeEntries(tensors);
  return encodeSafetensors(
    leaves.map(([name, tensor]) => ({ name, tensor })),
    checkpointMetadata(content),
    { ...options, finite: true },
  );
}

function isNamed(tensors: CheckpointContent["tensors"]): tensors is ReadonlyMap<string, Tensor> {
  return tensors instanceof Map;
}

/**
 * Returns the metadata of a checkpoint's safetensors file, for writers that store their tensors as bytes.
 * @throws CoordTokError `checkpoint` for reserved metadata keys.
 */
export function checkpointMetadata(content: Omit<CheckpointContent, "tensors">): Map<string, string> {
  const { kind, version = firstVersion, config, metadata = {} } = content;
  const own = new Map<string, string>(
    metadata instanceof Map ? (metadata as Map<string, string>) : Object.entries(metadata),
  );
  for (const key of own.keys())
    if (key.startsWith("coordtok."))
      throw new CoordTokError(
        "checkpoint",
        `The metadata key "${key}" is reserved; choose one that does not begin with "coordtok.".`,
      );
  return new Map<string, string>([
    [keys.kind, kind],
    [keys.format, String(version)],
    [keys.config, JSON.stringify(config)],
    ...own,
  ]);
}

import {
  checkOptions,
  CoordTokError,
  int8Weights,
  messageOf,
  treeEntries,
  type Json,
  type NamedBytes,
  type OptionNames,
  type RangeSource,
  type SafetensorsFile,
} from "@coordtok/core";
import { asJson, parseStoredJson } from "@coordtok/core/text";
import { bytesOfFloats, checkStateDict, ourTensors } from "@coordtok/core/state-dict";
import { encodeFormBytes, loadForm, loadTokenizerOptionNames, type LoadFormOptions } from "../checkpoint.js";
import { checkLatticeConfig, type LatticeConfig } from "./config.js";
import { latticeParamShapes, type LatticeParams } from "./params.js";
import { latticeConfigFromReference, latticeRows, type ReferenceConfig } from "./state-dict.js";

/** Options of {@link loadLattice}. */
export type LoadLatticeOptions = LoadFormOptions<LatticeConfig>;

/** A lattice tokenizer loaded from a file. The caller owns its tensors. */
export interface LoadedLattice {
  /** The configuration of the model. */
  readonly config: LatticeConfig;
  /** Its weights; when `part` was given, only that half. */
  readonly params: Partial<LatticeParams>;
}

/**
 * Loads the weights of a lattice tokenizer, int8 or float.
 * @param source the file (`openFileSource` of `@coordtok/core/node`), a blob, or its bytes; it may be closed afterwards.
 * @throws CoordTokError `checkpoint` when the file is not a checkpoint of a lattice tokenizer or its tensors do not fit its configuration.
 */
export async function loadLattice(
  source: RangeSource | Uint8Array | Blob,
  options: LoadLatticeOptions = {},
): Promise<LoadedLattice> {
  checkOptions(options, loadTokenizerOptionNames, "loadLattice");
  return loadForm<LatticeConfig, LatticeParams>(source, parseLatticeConfig, latticeParamShapes, options);
}

/** Checks the configuration that a checkpoint of a lattice tokenizer holds. */
export function parseLatticeConfig(stored: Json): LatticeConfig {
  const isLattice = typeof stored === "object" && stored !== null && "form" in stored && stored["form"] === "lattice";
  if (!isLattice)
    throw new CoordTokError(
      "config",
      "Expected a tokenizer of the lattice form, got one of the paper's form; use a function or command that takes that form.",
    );
  return checkLatticeConfig(stored);
}

/**
 * How the weights of a checkpoint are stored: exactly, or with the kernels of its linear layers as int8 (`int8Weights` of core), a
 * quarter of the size.
 */
export type WeightStorage = "F32" | "int8";

/** Options of {@link encodeLatticeCheckpoint} and {@link convertReference}. */
export interface EncodeLatticeOptions {
  /** How the weights are stored (default `F32`). */
  readonly storage?: WeightStorage | undefined;
  /** Additional metadata to store. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

const encodeLatticeOptionNames: OptionNames<EncodeLatticeOptions> = { storage: true, metadata: true };

/**
 * Encodes the weights of a lattice tokenizer as the bytes of a checkpoint, for `writeAtomically` of `@coordtok/core/node`. Nothing
 * is freed.
 */
export async function* encodeLatticeCheckpoint(
  config: LatticeConfig,
  params: LatticeParams,
  options: EncodeLatticeOptions = {},
): AsyncGenerator<Uint8Array, void> {
  checkOptions(options, encodeLatticeOptionNames, "encodeLatticeCheckpoint");
  const leaves = treeEntries(params);
  const tensors: NamedBytes[] = [];
  for (const [path, leaf] of leaves)
    tensors.push(...storedWeights(path, leaf.shape, (await leaf.data()) as Float32Array, options));
  yield* encodeFormBytes(asJson(config), tensors, options.metadata ?? {});
}

/**
 * Converts a safetensors file of the PyTorch reference, which keeps its configuration as `config` in its metadata, to the bytes of
 * a CoordTok.ts checkpoint. Half precision is read exactly; no backend is needed.
 * @throws CoordTokError `checkpoint` when the configuration is missing, or tensors are missing, unexpected or misshapen.
 */
export async function* convertReference(
  file: SafetensorsFile,
  options: EncodeLatticeOptions = {},
): AsyncGenerator<Uint8Array, void> {
  checkOptions(options, encodeLatticeOptionNames, "convertReference");
  const config = referenceConfigOf(file);
  const rows = latticeRows(config);
  checkStateDict(rows, file);
  const tensors: NamedBytes[] = [];
  for (const { name, shape, values } of ourTensors(rows, file))
    tensors.push(...storedWeights(name, shape, await values(), options));
  yield* encodeFormBytes(asJson(config), tensors, options.metadata ?? {});
}

function referenceConfigOf(file: SafetensorsFile): LatticeConfig {
  try {
    return latticeConfigFromReference(parseStoredJson(file.metadata.get("config") ?? "") as ReferenceConfig);
  } catch (thrown) {
    throw new CoordTokError(
      "checkpoint",
      `Expected the weights of a lattice tokenizer with its configuration in ${file.name}, but there is none: ${messageOf(thrown)}`,
      { cause: thrown },
    );
  }
}

function storedWeights(
  path: string,
  shape: readonly number[],
  values: Float32Array,
  { storage = "F32" }: EncodeLatticeOptions,
): NamedBytes[] {
  if (storage === "int8" && path.endsWith(".kernel")) return int8Weights(path, shape, values);
  return [{ name: path, dtype: "F32", shape, bytes: bytesOfFloats(values, "F32") }];
}

import {
  assignStrict,
  checkInteger,
  checkNumber,
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  messageOf,
  openCheckpoint,
  saveCheckpoint,
  type ExpectedShapes,
  type FloatStorage,
  type Json,
  type LongCallOptions,
  type OptionNames,
  type RangeSource,
  type SafetensorsEntry,
  type SafetensorsFile,
  type TensorTree,
} from "@coordtok/core";
import { checkStored } from "@coordtok/core/checks";
import { bytesOfFloats } from "@coordtok/core/state-dict";
import { parseStoredJson, shownJson } from "@coordtok/core/text";
import type { Tensor } from "@tensorflow/tfjs-core";
import { integer, maxValue, minValue, number, pipe, strictObject } from "valibot";
import { planeNames, type PlaneName } from "./axes.js";
import { crc32c } from "./crc32c.js";
import { planeShape, triplaneShape, type Triplane, type TriplaneShape } from "./triplane.js";

/** The checkpoint kind of a triplane file. */
export const triplaneKind = "triplane";

const planesPrefix = "planes.";
/** Where the weights of a decoder lie that a file carries along. */
export const decoderPrefix = "decoder.";

/** The video that a triplane was made from. */
export interface TriplaneSource {
  /** The name of the video file, without its folder. */
  readonly name?: string | undefined;
  /** The width of the video in pixels, before it was fitted to the model. */
  readonly width: number;
  /** The height of the video in pixels, before it was fitted to the model. */
  readonly height: number;
  /** The frame rate of the frames taken, per second. */
  readonly fps: number;
  /** The number of frames taken. */
  readonly frames: number;
  /** The index of the first frame taken. */
  readonly start: number;
  /** The distance between frames taken; 1 takes every frame. */
  readonly stride: number;
  /** How frames were resized to the model's size, such as `exact` or `fast`. */
  readonly resize?: string | undefined;
}

/** A reference to the checkpoint that made a triplane, to find its decoder again. */
export interface CheckpointReference {
  /** Its path or name, a hint; a relative path is relative to the folder of the triplane file. */
  readonly path: string;
  /** The SHA-256 of the checkpoint file, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** The facts that a triplane file holds about its triplane. */
export interface TriplaneFacts<Config> {
  /** The configuration of the tokenizer, plain data. */
  readonly config: Config;
  /** The video it was made from. */
  readonly source: TriplaneSource;
  /** The number of real frames of each of the B clips; the remaining ones are padding. */
  readonly validFrames: readonly number[];
  /** The checkpoint of the tokenizer; absent if it did not come from a file. */
  readonly checkpoint?: CheckpointReference | undefined;
  /** The program that wrote the file, with its version. */
  readonly creator?: string | undefined;
  /** The precision of the computation, such as `bf16`; absent for fp32. */
  readonly precision?: string | undefined;
}

/** Options of {@link encodeTriplaneFile}. */
export interface EncodeTriplaneOptions {
  /** The storage type of the planes (default `F32`). `F16` halves their size at a relative error of 2^-11. */
  readonly dtype?: "F32" | "F16" | undefined;
  /** The weights of a decoder to include, so that the file can be decoded on its own: a tree, or tensors by name (default: none). */
  readonly decoder?: TensorTree | ReadonlyMap<string, Tensor> | undefined;
  /** The storage type of the decoder's weights (default `F32`). */
  readonly decoderDtype?: FloatStorage | undefined;
}

const encodeTriplaneOptionNames: OptionNames<EncodeTriplaneOptions> = {
  dtype: true,
  decoder: true,
  decoderDtype: true,
};

/** A triplane file whose facts have been read; tensors are read on demand, while the source is open. */
export interface TriplaneFile<Config> extends TriplaneFacts<Config> {
  /** The size of the triplane and the number of clips. */
  readonly shape: TriplaneShape & { readonly batch: number };
  /** The storage type of the planes. */
  readonly dtype: FloatStorage;
  /** Whether the file includes a decoder. */
  readonly hasDecoder: boolean;
  /**
   * Reads the planes, as float32, owned by the caller.
   * @throws CoordTokError `file-format` when the checksum of a plane differs (files of older versions have none), `checkpoint` for numbers that are
   * not finite, `aborted`.
   */
  readTriplane(options?: LongCallOptions): Promise<Triplane>;
  /**
   * Reads the weights of the decoder by name, owned by the caller.
   * @param expected the names and shapes that the configuration requires.
   * @throws CoordTokError `checkpoint` if the file includes no decoder, or one that does not match exactly.
   */
  readDecoder(expected: ExpectedShapes, options?: LongCallOptions): Promise<Map<string, Tensor>>;
}

/**
 * Yields the bytes of a `.triplane.safetensors` file in pieces, for `writeAtomically` of `@coordtok/core/node` or a `Blob`. The planes are
 * stored as `planes.xy`, `planes.yt` and `planes.xt`, a decoder under `decoder.`, the facts and the CRC-32C of each plane in the metadata. Nothing is disposed.
 * @throws CoordTokError `shape` for planes that do not fit each other, `config` for invalid facts, `input` for numbers
 * beyond the range of `F16`, `not-finite` for numbers that are not finite.
 */
export async function* encodeTriplaneFile(
  triplane: Triplane,
  facts: TriplaneFacts<Json>,
  options: EncodeTriplaneOptions = {},
): AsyncGenerator<Uint8Array, void> {
  checkOptions(options, encodeTriplaneOptionNames, "encodeTriplaneFile");
  const { dtype = "F32", decoder, decoderDtype = "F32" } = options;
  const { batch } = triplaneShape(triplane);
  const checked = parseFacts(facts, batch);
  if (dtype === "F16") await checkHalfRange(triplane);
  const checksums = JSON.stringify(await checksumsOf(triplane, dtype));
  const metadata = Object.entries(checked).flatMap(([key, value]): [string, string][] =>
    value === undefined ? [] : [[key, JSON.stringify(value)]],
  );
  yield* saveCheckpoint(
    {
      kind: triplaneKind,
      config: facts.config,
      tensors: decoder === undefined ? { planes: triplane } : { planes: triplane, decoder: treeOf(decoder) },
      metadata: { ...Object.fromEntries(metadata), checksums },
    },
    { dtype: (name) => (name.startsWith(planesPrefix) ? dtype : decoderDtype) },
  );
}

type Checksums = Readonly<Record<PlaneName, number>>;

/** The CRC-32C of the bytes of each plane as it is stored. */
async function checksumsOf(triplane: Triplane, dtype: "F32" | "F16"): Promise<Checksums> {
  const checksums: Partial<Record<PlaneName, number>> = {};
  for (const plane of planeNames)
    checksums[plane] = crc32c(bytesOfFloats((await triplane[plane].data()) as Float32Array, dtype));
  return checksums as Checksums;
}

function treeOf(decoder: TensorTree | ReadonlyMap<string, Tensor>): TensorTree {
  return isNamed(decoder) ? Object.fromEntries(decoder) : decoder;
}

function isNamed(tensors: TensorTree | ReadonlyMap<string, Tensor>): tensors is ReadonlyMap<string, Tensor> {
  return tensors instanceof Map;
}

/** The largest F16 number; larger ones would be stored as infinity. */
export const largestHalf = 65504;

async function checkHalfRange(triplane: Triplane): Promise<void> {
  for (const plane of planeNames) {
    const values = (await triplane[plane].data()) as Float32Array;
    const beyond = values.find((value) => Number.isFinite(value) && Math.abs(value) > largestHalf);
    if (beyond !== undefined)
      throw new CoordTokError(
        "input",
        `Plane ${plane} holds ${beyond}, beyond the F16 limit of ${largestHalf}; store the triplane as F32.`,
      );
  }
}

/**
 * Opens a triplane file. Facts and shapes are checked; no tensors are read yet.
 * @param source a file (`openFileSource` of `@coordtok/core/node`), a blob, or the bytes.
 * @param parseConfig checks the stored configuration of the tokenizer and returns it typed.
 * @throws CoordTokError `file-format` for a broken file, `checkpoint` for a file of another kind or one whose parts disagree.
 */
export async function readTriplaneFile<Config>(
  source: RangeSource | Uint8Array | Blob,
  parseConfig: (stored: Json) => Config,
): Promise<TriplaneFile<Config>> {
  const { config, metadata, file } = await openCheckpoint(source, { kind: triplaneKind, parseConfig });
  const shape = storedShape(file);
  const facts = storedFacts(metadata, shape.batch, file.name);
  const checksums = storedChecksums(metadata, file.name);
  const hasDecoder = [...file.entries.keys()].some((name) => name.startsWith(decoderPrefix));
  const shapes = new Map(planeNames.map((plane) => [plane, planeShape(shape, plane, shape.batch)] as const));
  return {
    config,
    ...facts,
    shape,
    dtype: file.entries.get(`${planesPrefix}xy`)!.dtype as FloatStorage,
    hasDecoder,
    readTriplane: async (options = {}) => {
      checkOptions(options, longCallOptionNames, "readTriplane");
      if (checksums) await compareChecksums(file, checksums);
      return Object.fromEntries(await assignStrict(shapes, file, { ...options, prefix: planesPrefix })) as Triplane;
    },
    readDecoder: async (expected, options = {}) => {
      checkOptions(options, longCallOptionNames, "readDecoder");
      if (!hasDecoder) throw new CoordTokError("checkpoint", `There is no decoder in ${file.name}.`);
      return assignStrict(expected, file, { ...options, prefix: decoderPrefix });
    },
  };
}

/** Returns the size of the stored triplane; checks all three planes, and that there are no unknown tensors. */
function storedShape(file: SafetensorsFile): TriplaneShape & { readonly batch: number } {
  const fail = (problem: string): never => {
    throw new CoordTokError("checkpoint", `Expected a triplane file, but ${file.name} ${problem}.`);
  };
  const plane = (name: string): SafetensorsEntry => {
    const entry = file.entries.get(planesPrefix + name) ?? fail(`has no plane ${name}`);
    const isFloat = entry.dtype === "F32" || entry.dtype === "F16" || entry.dtype === "BF16";
    return entry.shape.length === 4 && isFloat
      ? entry
      : fail(`has a plane ${name} that is not a floating-point tensor with 4 axes`);
  };
  const [batch, rows, columns, channels] = plane("xy").shape as [number, number, number, number];
  const shape = { time: plane("yt").shape[1]!, rows, columns, channels, batch };
  for (const name of planeNames)
    if (planeShape(shape, name, batch).join() !== plane(name).shape.join())
      fail("has planes that do not fit each other");
  const names = planeNames.map((name) => planesPrefix + name);
  for (const name of file.entries.keys())
    if (!names.includes(name) && !name.startsWith(decoderPrefix)) fail(`has the unknown tensor "${name}"`);
  return shape;
}

const checksum = pipe(number(), integer(), minValue(0), maxValue(2 ** 32 - 1));
const checksumsSchema = strictObject({ xy: checksum, yt: checksum, xt: checksum });

/** The checksums of the planes; `undefined` in files of versions that wrote none. @throws CoordTokError `file-format`. */
function storedChecksums(metadata: ReadonlyMap<string, string>, name: string): Checksums | undefined {
  const text = metadata.get("checksums");
  if (text === undefined) return undefined;
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch {
    stored = text;
  }
  return checkStored(checksumsSchema, stored, `the checksums in ${name}`);
}

/** @throws CoordTokError `file-format` naming the first plane whose bytes are not those that were written. */
async function compareChecksums(file: SafetensorsFile, checksums: Checksums): Promise<void> {
  for (const plane of planeNames)
    if (crc32c(await file.readBytes(planesPrefix + plane)) !== checksums[plane])
      throw new CoordTokError(
        "file-format",
        `Plane ${plane} in ${file.name} is damaged: its checksum differs; take another copy of the file, or encode the video again.`,
      );
}

const factKeys = ["source", "validFrames", "checkpoint", "creator", "precision"] as const;

function storedFacts(
  metadata: ReadonlyMap<string, string>,
  batch: number,
  name: string,
): Omit<TriplaneFacts<unknown>, "config"> {
  try {
    const stored = factKeys.flatMap((key): [string, unknown][] => {
      const text = metadata.get(key);
      return text === undefined ? [] : [[key, parseStoredJson(text)]];
    });
    return parseFacts(Object.fromEntries(stored), batch);
  } catch (thrown) {
    throw new CoordTokError(
      "checkpoint",
      `The facts about the triplane in ${name} are not valid: ${messageOf(thrown)}`,
      {
        cause: thrown,
      },
    );
  }
}

/** Checks facts from an untrusted source; drops facts that this version does not know. */
function parseFacts(facts: Partial<TriplaneFacts<unknown>>, batch: number): Omit<TriplaneFacts<unknown>, "config"> {
  const { validFrames, checkpoint, creator, precision } = facts;
  const source = recordOf(facts.source, "source");
  if (!Array.isArray(validFrames) || validFrames.length !== batch)
    throw new CoordTokError("config", `Expected validFrames to be a list of ${batch}, one for each clip.`);
  validFrames.forEach((count, clip) => checkInteger(count, `validFrames of clip ${clip}`, 1));
  const parsedSource: TriplaneSource = {
    ...textOf(source, "name"),
    width: checkInteger(source["width"], "source.width", 1),
    height: checkInteger(source["height"], "source.height", 1),
    fps: checkNumber(source["fps"], "source.fps", 0.001, 1e6),
    frames: checkInteger(source["frames"], "source.frames", 1),
    start: checkInteger(source["start"], "source.start", 0),
    stride: checkInteger(source["stride"], "source.stride", 1),
    ...textOf(source, "resize"),
  };
  return {
    source: parsedSource,
    validFrames: validFrames as readonly number[],
    ...(checkpoint === undefined ? {} : { checkpoint: parseCheckpointReference(checkpoint) }),
    ...textOf({ creator }, "creator"),
    ...textOf({ precision }, "precision"),
  };
}

/**
 * Checks a stored reference to a checkpoint.
 * @throws CoordTokError `config`.
 */
export function parseCheckpointReference(stored: unknown): CheckpointReference {
  const { path, sha256 } = recordOf(stored, "checkpoint");
  if (typeof path !== "string" || typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256))
    throw new CoordTokError("config", "Expected the checkpoint as a path and a SHA-256 of 64 hexadecimal digits.");
  return { path, sha256 };
}

function recordOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new CoordTokError("config", `Expected ${name} to be a record, got ${shownJson(value)}.`);
  return value as Record<string, unknown>;
}

function textOf<K extends string>(record: Record<string, unknown>, key: K): { readonly [name in K]?: string } {
  const value = record[key];
  if (value === undefined) return {};
  if (typeof value !== "string") throw new CoordTokError("config", `Expected ${key} to be a string.`);
  return { [key]: value } as { readonly [name in K]: string };
}

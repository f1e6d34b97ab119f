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
import type { Tensor } from "@tensorflow/tfjs-core";
import { planeNames } from "./axes.js";
import { planeShape, triplaneShape, type Triplane, type TriplaneShape } from "./triplane.js";

/** The kind of a triplane file. */
export const triplaneKind = "triplane";

const planesPrefix = "planes.";
/** Where the weights of a decoder lie that a file carries along. */
export const decoderPrefix = "decoder.";

/** What a triplane was made from. */
export interface TriplaneSource {
  /** Name of the video file, without its folder. */
  readonly name?: string | undefined;
  /** Columns of the video in pixels, before it was fitted to the model. */
  readonly width: number;
  /** Rows of the video in pixels, before it was fitted to the model. */
  readonly height: number;
  /** Frames per second of the frames that were taken. */
  readonly fps: number;
  /** How many frames were taken. */
  readonly frames: number;
  /** Index of the first frame that was taken. */
  readonly start: number;
  /** Distance between the frames that were taken; 1 takes every frame. */
  readonly stride: number;
  /** How frames were brought to the model's size, such as `exact` or `fast`. */
  readonly resize?: string | undefined;
}

/** Which checkpoint made a triplane, so that its decoder is found again. */
export interface CheckpointReference {
  /** Its path or name, a hint; a relative path starts at the folder of the triplane file. */
  readonly path: string;
  /** SHA-256 of the checkpoint file, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** Everything that a triplane file says about its triplane. */
export interface TriplaneFacts<Config> {
  /** The configuration of the tokenizer, plain data. */
  readonly config: Config;
  /** The video it was made from. */
  readonly source: TriplaneSource;
  /** How many frames of each of the B clips are real; what follows is padding. */
  readonly validFrames: readonly number[];
  /** Absent when the tokenizer did not come from a file. */
  readonly checkpoint?: CheckpointReference | undefined;
  /** The program that wrote the file, with its version. */
  readonly creator?: string | undefined;
  /** The precision it was computed with, such as `bf16`; absent for fp32. */
  readonly precision?: string | undefined;
}

/** Options of {@link encodeTriplaneFile}. */
export interface EncodeTriplaneOptions {
  /** How the planes are stored (default `F32`). `F16` halves them at a relative error of 2^-11. */
  readonly dtype?: "F32" | "F16" | undefined;
  /** Weights of a decoder to carry along, so that the file can be decoded alone: a tree, or tensors by name. */
  readonly decoder?: TensorTree | ReadonlyMap<string, Tensor> | undefined;
  /** How the weights of the decoder are stored (default `F32`). */
  readonly decoderDtype?: FloatStorage | undefined;
}

const encodeTriplaneOptionNames: OptionNames<EncodeTriplaneOptions> = {
  dtype: true,
  decoder: true,
  decoderDtype: true,
};

/** A triplane file whose facts have been read; the tensors are read when asked for, while the source is open. */
export interface TriplaneFile<Config> extends TriplaneFacts<Config> {
  /** The size of the triplane and how many clips it holds. */
  readonly shape: TriplaneShape & { readonly batch: number };
  /** How the planes are stored. */
  readonly dtype: FloatStorage;
  /** Whether a decoder is in the file. */
  readonly hasDecoder: boolean;
  /** Reads the planes, as float32, owned by the caller. */
  readTriplane(options?: LongCallOptions): Promise<Triplane>;
  /**
   * Reads the weights of the decoder by name, owned by the caller.
   * @param expected the names and shapes that belong to the configuration.
   * @throws CoordTokError `checkpoint` when the file carries none, or one that does not match exactly.
   */
  readDecoder(expected: ExpectedShapes, options?: LongCallOptions): Promise<Map<string, Tensor>>;
}

/**
 * The bytes of a `.triplane.safetensors` file, piece by piece, for `writeAtomically` of `@coordtok/core/node` or a `Blob`. The planes
 * are the tensors `planes.xy`, `planes.yt`, `planes.xt`, a decoder lies under `decoder.`, all else in the metadata. Nothing is disposed.
 * @throws CoordTokError `shape` for planes that do not belong together, `config` for facts that make no sense, `input` for numbers
 * beyond the range of `F16`.
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
  const metadata = Object.entries(checked).flatMap(([key, value]): [string, string][] =>
    value === undefined ? [] : [[key, JSON.stringify(value)]],
  );
  yield* saveCheckpoint(
    {
      kind: triplaneKind,
      config: facts.config,
      tensors: decoder === undefined ? { planes: triplane } : { planes: triplane, decoder: treeOf(decoder) },
      metadata: Object.fromEntries(metadata),
    },
    { dtype: (name) => (name.startsWith(planesPrefix) ? dtype : decoderDtype) },
  );
}

function treeOf(decoder: TensorTree | ReadonlyMap<string, Tensor>): TensorTree {
  return isNamed(decoder) ? Object.fromEntries(decoder) : decoder;
}

function isNamed(tensors: TensorTree | ReadonlyMap<string, Tensor>): tensors is ReadonlyMap<string, Tensor> {
  return tensors instanceof Map;
}

/** The largest number of F16; beyond it the file would hold infinities. */
export const largestHalf = 65504;

async function checkHalfRange(triplane: Triplane): Promise<void> {
  for (const plane of planeNames) {
    const values = (await triplane[plane].data()) as Float32Array;
    const beyond = values.find((value) => Number.isFinite(value) && Math.abs(value) > largestHalf);
    if (beyond !== undefined)
      throw new CoordTokError(
        "input",
        `Plane ${plane} holds ${beyond}, but F16 ends at ${largestHalf}; store the triplane as F32.`,
      );
  }
}

/**
 * Opens a triplane file. Facts and shapes are checked; nothing is read into tensors yet.
 * @param source a file (`openFileSource` of `@coordtok/core/node`), a blob, or the bytes.
 * @param parseConfig checks the stored configuration of the tokenizer and gives it its type.
 * @throws CoordTokError `file-format` for a broken file, `checkpoint` for a file of another kind, or one whose parts disagree.
 */
export async function readTriplaneFile<Config>(
  source: RangeSource | Uint8Array | Blob,
  parseConfig: (stored: Json) => Config,
): Promise<TriplaneFile<Config>> {
  const { config, metadata, file } = await openCheckpoint(source, { kind: triplaneKind, parseConfig });
  const shape = storedShape(file);
  const facts = storedFacts(metadata, shape.batch, file.name);
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
      return Object.fromEntries(await assignStrict(shapes, file, { ...options, prefix: planesPrefix })) as Triplane;
    },
    readDecoder: async (expected, options = {}) => {
      checkOptions(options, longCallOptionNames, "readDecoder");
      if (!hasDecoder) throw new CoordTokError("checkpoint", `There is no decoder in ${file.name}.`);
      return assignStrict(expected, file, { ...options, prefix: decoderPrefix });
    },
  };
}

/** The size of the stored triplane, checked against all three planes and against tensors that belong to nothing. */
function storedShape(file: SafetensorsFile): TriplaneShape & { readonly batch: number } {
  const fail = (problem: string): never => {
    throw new CoordTokError("checkpoint", `Expected a triplane file, but ${file.name} ${problem}.`);
  };
  const plane = (name: string): SafetensorsEntry => {
    const entry = file.entries.get(planesPrefix + name) ?? fail(`has no plane ${name}`);
    const isFloat = entry.dtype === "F32" || entry.dtype === "F16" || entry.dtype === "BF16";
    return entry.shape.length === 4 && isFloat ? entry : fail(`has a plane ${name} that is no float tensor of 4 axes`);
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

const factKeys = ["source", "validFrames", "checkpoint", "creator", "precision"] as const;

function storedFacts(
  metadata: ReadonlyMap<string, string>,
  batch: number,
  name: string,
): Omit<TriplaneFacts<unknown>, "config"> {
  try {
    const stored = factKeys.flatMap((key): [string, unknown][] => {
      const text = metadata.get(key);
      return text === undefined ? [] : [[key, JSON.parse(text)]];
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

/** Facts from an untrusted source, checked; facts that this version does not know are dropped. */
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

/** Checks a stored reference. @throws CoordTokError `config`. */
export function parseCheckpointReference(stored: unknown): CheckpointReference {
  const { path, sha256 } = recordOf(stored, "checkpoint");
  if (typeof path !== "string" || typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256))
    throw new CoordTokError("config", "Expected the checkpoint as a path and a SHA-256 of 64 hexadecimal digits.");
  return { path, sha256 };
}

function recordOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new CoordTokError("config", `Expected ${name} to be a record, got ${JSON.stringify(value)}.`);
  return value as Record<string, unknown>;
}

function textOf<K extends string>(record: Record<string, unknown>, key: K): { readonly [name in K]?: string } {
  const value = record[key];
  if (value === undefined) return {};
  if (typeof value !== "string") throw new CoordTokError("config", `Expected ${key} to be a text.`);
  return { [key]: value } as { readonly [name in K]: string };
}

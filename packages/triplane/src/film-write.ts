import {
  areFinite,
  checkOptions,
  checkpointMetadata,
  CoordTokError,
  encodeSafetensors,
  treeEntries,
  type FloatStorage,
  type Json,
  type NamedBytes,
  type NamedTensor,
  type OptionNames,
  type TensorTree,
} from "@coordtok/core";
import { bytesOfFloats } from "@coordtok/core/state-dict";
import { slice, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { planeNames, type PlaneName } from "./axes.js";
import { crc32c } from "./crc32c.js";
import { parseFilmFacts, type FilmBudget, type FilmFacts } from "./film-facts.js";
import { decoderPrefix, largestHalf, triplaneKind } from "./format.js";
import type { Triplane } from "./triplane.js";

/** The version of triplane files that hold a film. */
export const filmVersion = 2;

/** How the planes of a film are stored: exactly, or in half the space at a relative error of 2^-11. */
export type FilmStorage = "F32" | "F16";

/** One plane of a window as it is stored. */
export interface PackedPlane {
  /** Which plane it is. */
  readonly plane: PlaneName;
  /** `[1, outer, inner, channels]`, with the channels that are kept. */
  readonly shape: readonly number[];
  /** How its numbers are stored. */
  readonly dtype: FilmStorage;
  /** Its numbers, little-endian. */
  readonly bytes: Uint8Array;
  /** The CRC-32C of the bytes. */
  readonly checksum: number;
}

/** Options of {@link packTriplane}. */
export interface PackOptions {
  /** Default `F32`. */
  readonly dtype?: FilmStorage | undefined;
  /** The channels that are kept (default: all). */
  readonly budget?: FilmBudget | undefined;
}

const packOptionNames: OptionNames<PackOptions> = { dtype: true, budget: true };

/**
 * The planes of one window, or of one tile of it, as they are stored. Nothing is disposed.
 * @param triplane planes of one clip.
 * @throws CoordTokError `input` for numbers beyond the range of `F16`, `not-finite` for numbers that are not.
 */
export async function packTriplane(triplane: Triplane, options: PackOptions = {}): Promise<PackedPlane[]> {
  checkOptions(options, packOptionNames, "packTriplane");
  const { dtype = "F32", budget } = options;
  const packed: PackedPlane[] = [];
  for (const plane of planeNames) {
    const kept = keptOf(triplane, plane, budget);
    const values = (await kept.data().finally(() => {
      if (kept !== triplane[plane]) kept.dispose();
    })) as Float32Array;
    if (!areFinite(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), "F32"))
      throw new CoordTokError("not-finite", `Plane ${plane} holds numbers that are not finite; nothing was written.`);
    if (dtype === "F16") checkHalf(plane, values);
    const bytes = bytesOfFloats(values, dtype);
    packed.push({ plane, shape: kept.shape, dtype, bytes, checksum: crc32c(bytes) });
  }
  return packed;
}

/** The channels of a plane that are kept; the plane itself where these are all. */
function keptOf(triplane: Triplane, plane: PlaneName, budget: FilmBudget | undefined): Triplane[PlaneName] {
  const tensor = triplane[plane];
  const [clips, outer, inner, channels] = tensor.shape;
  const kept = channelsOf(plane, budget, channels);
  return kept === channels ? tensor : tidy(() => slice(tensor, [0, 0, 0, 0], [clips, outer, inner, kept]));
}

/** How many channels of a plane are kept. */
export function channelsOf(plane: PlaneName, budget: FilmBudget | undefined, channels: number): number {
  if (budget === undefined) return channels;
  return Math.min(channels, plane === "xy" ? budget.content : budget.motion);
}

function checkHalf(plane: PlaneName, values: Float32Array): void {
  const beyond = values.find((value) => Math.abs(value) > largestHalf);
  if (beyond !== undefined)
    throw new CoordTokError(
      "input",
      `Plane ${plane} holds ${beyond}, but F16 ends at ${largestHalf}; store the triplane as F32.`,
    );
}

/** A packed plane whose bytes may lie elsewhere until they are written. */
export type StoredPlane = Omit<PackedPlane, "bytes"> & {
  /** The bytes, or what gives them when their turn comes. */
  readonly bytes: NamedBytes["bytes"];
};

/** Options of {@link encodeFilm}. */
export interface EncodeFilmOptions {
  /** Weights of a decoder to carry along, so that the film can be decoded alone: a tree, or tensors by name. */
  readonly decoder?: TensorTree | ReadonlyMap<string, Tensor> | undefined;
  /** How the weights of the decoder are stored (default `F32`). */
  readonly decoderDtype?: FloatStorage | undefined;
}

const encodeFilmOptionNames: OptionNames<EncodeFilmOptions> = { decoder: true, decoderDtype: true };

/**
 * The bytes of a `.triplane.safetensors` file of version 2, which holds a film, piece by piece (`docs/spec.md#film-files`). The header comes
 * first, so all windows must be known; their planes may wait elsewhere, in a file or a blob.
 * @param facts what the film says about itself, with the configuration of the tokenizer.
 * @param planes all planes in the order of the file: window by window, tile by tile, xy, yt, xt.
 * @throws CoordTokError `config` for facts that make no sense or another number of planes, `not-finite`.
 */
export async function* encodeFilm(
  facts: FilmFacts & { readonly config: Json },
  planes: readonly StoredPlane[],
  options: EncodeFilmOptions = {},
): AsyncGenerator<Uint8Array, void> {
  checkOptions(options, encodeFilmOptionNames, "encodeFilm");
  const { config, ...rest } = facts;
  const checked = parseFilmFacts(rest);
  const perWindow = checked.tiles.length * planeNames.length;
  if (planes.length !== checked.windows.length * perWindow)
    throw new CoordTokError(
      "config",
      `Expected ${perWindow} planes for each of ${checked.windows.length} windows, got ${planes.length} in all.`,
    );
  const windows = checked.windows.map(({ frames, overlap }, i) => [
    frames,
    overlap,
    ...planes.slice(i * perWindow, (i + 1) * perWindow).map(({ checksum }) => checksum),
  ]);
  const metadata = checkpointMetadata({
    kind: triplaneKind,
    version: filmVersion,
    config,
    metadata: { film: JSON.stringify({ ...checked, windows }) },
  });
  const tensors = planes.map(({ plane, shape, dtype, bytes }, i): NamedBytes => ({
    name: planeKey(Math.floor(i / perWindow), Math.floor((i % perWindow) / planeNames.length), plane),
    dtype,
    shape,
    bytes,
  }));
  const { decoder, decoderDtype = "F32" } = options;
  yield* encodeSafetensors([...tensors, ...decoderTensors(decoder)], metadata, { dtype: decoderDtype, finite: true });
}

/** The name of a stored plane. */
export function planeKey(window: number, tile: number, plane: PlaneName): string {
  return `windows.${window}.${tile}.${plane}`;
}

function decoderTensors(decoder: EncodeFilmOptions["decoder"]): NamedTensor[] {
  if (decoder === undefined) return [];
  const leaves: Iterable<readonly [string, Tensor]> = isNamed(decoder) ? decoder : treeEntries(decoder);
  return Array.from(leaves, ([name, tensor]) => ({ name: decoderPrefix + name, tensor }));
}

function isNamed(tensors: TensorTree | ReadonlyMap<string, Tensor>): tensors is ReadonlyMap<string, Tensor> {
  return tensors instanceof Map;
}

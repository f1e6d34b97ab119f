import { looksLikeTorch } from "@coordtok/core/torch";
import { stat } from "node:fs/promises";
import {
  checkOptions,
  CoordTokError,
  type Json,
  type LongCallOptions,
  pickOptions,
  type OptionNames,
  type SafetensorsFile,
} from "@coordtok/core";
import { parseStoredJson } from "@coordtok/core/text";
import { listCheckpoints, openFileSource, pathWithin, type FileSource } from "@coordtok/core/node";
import { isBitstream, type WindowCoding } from "@coordtok/bitstream";
import { checkpointKind, triplaneShapeOf, type AnyTokenizerConfig } from "@coordtok/tokenizer";
import { latticeParamShapes } from "@coordtok/tokenizer/lattice";
import {
  floatCount,
  planeNames,
  planeSize,
  tokenCount,
  triplaneKind,
  type CheckpointReference,
  type FilmBudget,
  type FilmRefinement,
  type FilmSource,
  type FilmWindow,
  type PlaneName,
  type TriplaneShape,
} from "@coordtok/triplane";
import type { VideoInfo } from "@coordtok/video";
import { bytesText } from "@coordtok/core/text";
import { countFrames, ffmpegOptionNames, missingBytes, probe, type FfmpegOptions } from "@coordtok/video/node";
import { describeWeights, type ForeignWeights } from "../convert/describe.js";
import { isTorchName, openWeights } from "../convert/weights-file.js";
import { openAnyFilm, tokenizerForm, type FramePixels, type OpenedFilm } from "../film/index.js";
import { readIndex, type LatentIndex } from "../latents/index-file.js";

/** The facts about a tokenizer's form that triplanes and checkpoints both hold. */
export interface ModelFacts {
  /** The path of the file. */
  readonly path: string;
  /** Its size in bytes. */
  readonly bytes: number;
  /** Form and size of the tokenizer. */
  readonly config: AnyTokenizerConfig;
  /** Number of cells of the planes; absent for a checkpoint of the lattice form, whose planes have the size of the clip. */
  readonly tokens: number | undefined;
  /** Number of values in the planes; absent where the cells are. */
  readonly floats: number | undefined;
}

/** Where the bytes of some channels of a plane go in a film of coded planes. */
export interface PieceFacts {
  /** The plane. */
  readonly plane: PlaneName;
  /** The first channel. */
  readonly first: number;
  /** The channel behind the last. */
  readonly end: number;
  /** Bytes in all windows. */
  readonly bytes: number;
  /** Numbers that they stand for. */
  readonly numbers: number;
}

/** How the planes of a film are coded. */
export interface CodingFacts {
  /** How each window is coded. */
  readonly windows: readonly WindowCoding[];
  /** Plane by plane, and in each the groups of channels that can be read alone. */
  readonly pieces: readonly PieceFacts[];
  /** Bytes of the facts about the film. */
  readonly factBytes: number;
  /** Bytes of head, index and tail. */
  readonly indexBytes: number;
}

/** The kind of a file and the facts about it. */
export type FileDescription =
  | ({ readonly what: "video" } & VideoInfo)
  | ({
      readonly what: "triplane";
      readonly source: FilmSource;
      /** The windows of the film. */
      readonly windows: readonly FilmWindow[];
      /** How many tiles each window has. */
      readonly tiles: number;
      /** The size of its frames as they are decoded. */
      readonly size: FramePixels;
      /** How the numbers are stored, such as `F16`; `coded` in a `.coordtok` file. */
      readonly dtype: string;
      /** Where the bytes of a `.coordtok` file go; absent for planes as numbers. */
      readonly coding?: CodingFacts | undefined;
      /** What refinement made of the planes; absent where none were refined. */
      readonly refinement?: FilmRefinement | undefined;
      /** The channels that are stored; absent where all are. */
      readonly budget: FilmBudget | undefined;
      readonly checkpoint: CheckpointReference | undefined;
      /** The precision it was computed with, for example `bf16`; absent for fp32. */
      readonly precision: string | undefined;
      readonly embeddedDecoder: boolean;
    } & ModelFacts)
  | ({ readonly what: "weights" } & ForeignWeights)
  | ({ readonly what: "checkpoint"; readonly parameters: number; readonly step: number | undefined } & ModelFacts)
  | ({ readonly what: "latents"; readonly index: LatentIndex } & ModelFacts);

const describeFileOptionNames: OptionNames<FfmpegOptions & Pick<LongCallOptions, "signal">> = {
  ...ffmpegOptionNames,
  signal: true,
};

/**
 * Describes a file: a video, a triplane, a checkpoint of a tokenizer, or weights from another program; or a folder of latents. A run folder stands for its newest
 * checkpoint.
 * @throws CoordTokError for a file that is none of these or is damaged.
 */
export async function describeFile(
  given: string,
  options: FfmpegOptions & Pick<LongCallOptions, "signal"> = {},
): Promise<FileDescription> {
  checkOptions(options, describeFileOptionNames, "describeFile");
  const isFolder = (await stat(given).catch(() => undefined))?.isDirectory() === true;
  const newest = isFolder ? (await listCheckpoints(given)).at(-1) : undefined;
  if (isFolder && newest === undefined) return describeLatents(given);
  const path = newest?.path ?? given;
  if (!(await isOfWeights(path))) return describeVideo(path, options);
  const source = await openFileSource(path);
  try {
    if (await isBitstream(source)) return await describeFilm(path, source);
    const weights = await openWeights(source);
    if (weights.format !== "ours") return { what: "weights", ...describeWeights(weights, source) };
    return await (weights.kind === triplaneKind
      ? describeFilm(path, source)
      : describeCheckpoint(path, source.size, weights));
  } finally {
    await source.close();
  }
}

async function describeVideo(
  path: string,
  options: FfmpegOptions & Pick<LongCallOptions, "signal">,
): Promise<FileDescription> {
  const probed = await probe(path, options);
  const info = await withCount(probed, options);
  const missing = await missingBytes(path);
  const cut = `it is cut off: ${bytesText(missing)} are missing at its end, so not all of its frames decode`;
  return { what: "video", ...info, warnings: missing > 0 ? [...info.warnings, cut] : info.warnings };
}

/** Longer videos are not decoded to count their frames. */
const mostCounted = 10_000;

/** Counts the frames of a video that does not say how many of them are shown. */
async function withCount(
  info: VideoInfo,
  options: FfmpegOptions & Pick<LongCallOptions, "signal">,
): Promise<VideoInfo> {
  if (info.frameCountFrom !== "duration" || info.frameCount! > mostCounted) return info;
  const counting = { signal: options.signal, ...pickOptions(options, ffmpegOptionNames) };
  const { frames } = await countFrames(info.path, counting);
  return { ...info, frameCount: frames, frameCountFrom: "decoding" };
}

/** Whether a file is ours or holds weights and is not for ffmpeg: by its name, or because it begins like a film or a PyTorch checkpoint. */
async function isOfWeights(path: string): Promise<boolean> {
  if (/\.(safetensors|coordtok)$/i.test(path) || isTorchName(path)) return true;
  const source = await openFileSource(path).catch(() => undefined);
  try {
    return source !== undefined && ((await isBitstream(source)) || (await looksLikeTorch(source)));
  } finally {
    await source?.close();
  }
}

async function describeFilm(path: string, file: FileSource): Promise<FileDescription> {
  const film = await openAnyFilm(file);
  const { config, source, checkpoint, precision, hasDecoder, windows, tiles, picture, budget, refinement } = film;
  const dtype = film.format === "coordtok" ? "coded" : film.dtype;
  let [tokens, floats] = [0, 0];
  windows.forEach(({ frames }, i) => {
    const kept = film.format === "coordtok" ? film.coding[i]!.budget : budget;
    for (const { height, width } of tiles) {
      const shape = tokenizerForm.shapeOf(config, { frames, height, width });
      tokens += tokenCount(shape);
      floats += storedFloats(shape, kept);
    }
  });
  return {
    what: "triplane",
    path,
    bytes: file.size,
    config,
    tokens,
    floats,
    source,
    windows,
    tiles: tiles.length,
    size: { height: picture.height, width: picture.width },
    dtype,
    ...(film.format === "coordtok" && { coding: codingFacts(film) }),
    refinement,
    budget,
    checkpoint,
    precision,
    embeddedDecoder: hasDecoder,
  };
}

function codingFacts({ coding, bitstream }: OpenedFilm & { readonly format: "coordtok" }): CodingFacts {
  const pieces = new Map<string, PieceFacts>();
  for (const { shape, pieces: stored } of bitstream.windows)
    for (const { plane, first, end, length } of stored) {
      const [outer, inner] = planeSize(shape, plane);
      const before = pieces.get(`${plane} ${first}`) ?? { plane, first, end, bytes: 0, numbers: 0 };
      pieces.set(`${plane} ${first}`, {
        plane,
        first,
        end: Math.max(before.end, end),
        bytes: before.bytes + length,
        numbers: before.numbers + outer * inner * (end - first),
      });
    }
  const { factBytes, otherBytes } = bitstream;
  const inOrder = planeNames.flatMap((plane) =>
    [...pieces.values()].filter((piece) => piece.plane === plane).sort((a, b) => a.first - b.first),
  );
  return { windows: coding, pieces: inOrder, factBytes, indexBytes: otherBytes - factBytes };
}

function storedFloats(shape: TriplaneShape, budget: FilmBudget | undefined): number {
  const { content, motion } = budget ?? { content: shape.channels, motion: shape.channels };
  return planeNames.reduce((sum, plane) => {
    const [outer, inner] = planeSize(shape, plane);
    return sum + outer * inner * (plane === "xy" ? content : motion);
  }, 0);
}

async function describeLatents(folder: string): Promise<FileDescription> {
  const index = await readIndex(folder);
  let bytes = 0;
  for (const { file } of index.shards) {
    await using shard = await openFileSource(await pathWithin(folder, file));
    bytes += shard.size;
  }
  return { what: "latents", ...modelFacts(folder, bytes, index.config), index };
}

function describeCheckpoint(
  path: string,
  bytes: number,
  { kind, file }: { readonly kind: string; readonly file: SafetensorsFile },
): FileDescription {
  if (kind !== checkpointKind)
    throw new CoordTokError(
      "checkpoint",
      `"${path}" is a safetensors file of kind ${kind}, neither a triplane nor a tokenizer checkpoint.`,
    );
  const config = tokenizerForm.parseConfig(parseStoredJson(file.metadata.get("coordtok.config") ?? "null") as Json);
  const shapes: Iterable<readonly number[]> =
    config.form === "lattice"
      ? latticeParamShapes(config).values()
      : [...file.entries].filter(([name]) => name.startsWith("average.")).map(([, { shape }]) => shape);
  const parameters = Array.from(shapes).reduce((sum, dims) => sum + dims.reduce((product, dim) => product * dim, 1), 0);
  const training = parseStoredJson(file.metadata.get("training") ?? "null") as { readonly step: number } | null;
  return { what: "checkpoint", ...modelFacts(path, bytes, config), parameters, step: training?.step };
}

function modelFacts(path: string, bytes: number, config: AnyTokenizerConfig): ModelFacts {
  if (config.form === "lattice") return { path, bytes, config, tokens: undefined, floats: undefined };
  const shape = triplaneShapeOf(config);
  return { path, bytes, config, tokens: tokenCount(shape), floats: floatCount(shape) };
}

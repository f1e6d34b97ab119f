import { looksLikeTorch } from "@coordtok/core/torch";
import { stat } from "node:fs/promises";
import {
  checkOptions,
  CoordTokError,
  type LongCallOptions,
  type OptionNames,
  type SafetensorsFile,
} from "@coordtok/core";
import { listCheckpoints, openFileSource, pathWithin, type FileSource } from "@coordtok/core/node";
import { checkConfig, checkpointKind, triplaneShapeOf, type TokenizerConfig } from "@coordtok/tokenizer";
import {
  floatCount,
  readTriplaneFile,
  tokenCount,
  triplaneKind,
  type CheckpointReference,
  type TriplaneSource,
} from "@coordtok/triplane";
import type { VideoInfo } from "@coordtok/video";
import { ffmpegOptionNames, probe, type FfmpegOptions } from "@coordtok/video/node";
import { describeWeights, type ForeignWeights } from "../convert/describe.js";
import { isTorchName, openWeights } from "../convert/weights-file.js";
import { readIndex, type LatentIndex } from "../latents/index-file.js";

/** The facts about a tokenizer's form that triplanes and checkpoints both hold. */
export interface ModelFacts {
  /** The path of the file. */
  readonly path: string;
  /** Its size in bytes. */
  readonly bytes: number;
  /** Form and size of the tokenizer. */
  readonly config: TokenizerConfig;
  /** Number of cells of the three planes. */
  readonly tokens: number;
  /** Number of values in the planes: tokens times channels. */
  readonly floats: number;
}

/** The kind of a file and the facts about it. */
export type FileDescription =
  | ({ readonly what: "video" } & VideoInfo)
  | ({
      readonly what: "triplane";
      readonly source: TriplaneSource;
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
  if (!(await isOfWeights(path))) return { what: "video", ...(await probe(path, options)) };
  const source = await openFileSource(path);
  try {
    const weights = await openWeights(source);
    if (weights.format !== "ours") return { what: "weights", ...describeWeights(weights, source) };
    return await (weights.kind === triplaneKind
      ? describeTriplane(path, source)
      : describeCheckpoint(path, source.size, weights));
  } finally {
    await source.close();
  }
}

/** Whether a file holds weights and is not for ffmpeg: by its name, or because it begins like a PyTorch checkpoint. */
async function isOfWeights(path: string): Promise<boolean> {
  if (/\.safetensors$/i.test(path) || isTorchName(path)) return true;
  const source = await openFileSource(path).catch(() => undefined);
  try {
    return source !== undefined && (await looksLikeTorch(source));
  } finally {
    await source?.close();
  }
}

async function describeTriplane(path: string, file: FileSource): Promise<FileDescription> {
  const { config, source, checkpoint, precision, hasDecoder } = await readTriplaneFile(file, checkConfig);
  return {
    what: "triplane",
    ...modelFacts(path, file.size, config),
    source,
    checkpoint,
    precision,
    embeddedDecoder: hasDecoder,
  };
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
  const config = checkConfig(JSON.parse(file.metadata.get("coordtok.config") ?? "null"));
  const parameters = [...file.entries]
    .filter(([name]) => name.startsWith("average."))
    .reduce((sum, [, { shape: dims }]) => sum + dims.reduce((product, dim) => product * dim, 1), 0);
  const training = JSON.parse(file.metadata.get("training") ?? "null") as { readonly step: number } | null;
  return { what: "checkpoint", ...modelFacts(path, bytes, config), parameters, step: training?.step };
}

function modelFacts(path: string, bytes: number, config: TokenizerConfig): ModelFacts {
  const shape = triplaneShapeOf(config);
  return { path, bytes, config, tokens: tokenCount(shape), floats: floatCount(shape) };
}

import {
  areFinite,
  CoordTokError,
  floatsOf,
  messageOf,
  openCheckpoint,
  saveCheckpoint,
  type Json,
  type SafetensorsEntry,
} from "@coordtok/core";
import type { SourceIdentity } from "@coordtok/core/checks";
import { asJson, parseStoredJson } from "@coordtok/core/text";
import { openFileSource, writeAtomically, type FileSource } from "@coordtok/core/node";
import type { AnyTokenizerConfig } from "@coordtok/tokenizer";
import {
  disposeTriplane,
  mapPlanes,
  parseStats,
  planeNames,
  planeShape,
  stackTriplanes,
  collectStats,
  type Triplane,
  type TriplaneStats,
} from "@coordtok/triplane";
import { tensor4d } from "@tensorflow/tfjs-core";
import { checkAnyConfig, latentGeometry, type LatentGeometry } from "./geometry.js";
import { checkShardFacts } from "./stored.js";
import type { ClipPlace } from "./clips-of-video.js";

/** The kind recorded in a file of latents. */
const latentsKind = "latents";

/** The origin of one clip of a latent dataset. */
export interface LatentClip extends ClipPlace {
  /** The video, relative to the folder of the dataset, with slashes. */
  readonly video: string;
  /** Its class; absent when there are no classes. */
  readonly class?: string | undefined;
}

/** Stretches of a video that one part of a dataset takes. */
export interface StretchRange {
  /** The first, counted from 0. */
  readonly from: number;
  /** The one after the last; absent for all up to the end. */
  readonly to?: number | undefined;
}

/** The same, with infinity for all up to the end. */
export interface Stretches {
  /** The first, counted from 0. */
  readonly from: number;
  /** The one after the last. */
  readonly to: number;
}

/** A video whose clips are complete, or those of some of its stretches. */
export interface FinishedVideo {
  readonly video: string;
  /** Its stretches that are complete; absent for all of them. */
  readonly stretches?: StretchRange | undefined;
  /** Remarks about the video, one sentence each. */
  readonly remarks?: readonly string[] | undefined;
  /** What is damaged in it; absent when all of it decodes. */
  readonly damage?: string | undefined;
  /** How many clips it has; absent where a version without this record encoded it. */
  readonly clips?: number | undefined;
}

/** The content of a video that clips were made from. */
export interface VideoSource extends SourceIdentity {
  readonly video: string;
}

/** The settings that determine the latents of a dataset. */
export type DatasetSettings = Readonly<Record<string, Json>>;

/** The metadata of a shard. */
export interface ShardFacts {
  /** The settings that the clips were made with; the same for all shards of a dataset. */
  readonly settings: DatasetSettings;
  readonly clips: readonly LatentClip[];
  /** Videos that this shard completes. */
  readonly finished: readonly FinishedVideo[];
  /** The content of the videos of its clips; none in a shard that is older than this record. */
  readonly sources: readonly VideoSource[];
  /** The names of the classes in the order of their numbers; absent in a shard that is older than this record. */
  readonly classes?: readonly string[] | undefined;
  /** The statistics of this shard alone. */
  readonly statistics: TriplaneStats;
}

/** A shard whose metadata have been read; planes are read clip by clip. */
export interface Shard extends ShardFacts {
  readonly path: string;
  readonly config: AnyTokenizerConfig;
  /** Reads one clip through an open file. The caller owns the result. */
  readClip(source: FileSource, index: number): Promise<Triplane>;
}

/** Writes the triplanes of some clips, one each, as one file `[N, ...]`, and returns its metadata. Nothing is disposed. @param overwrite replaces a file. */
export async function writeShard(
  path: string,
  triplanes: readonly Triplane[],
  config: AnyTokenizerConfig,
  facts: Omit<ShardFacts, "statistics">,
  dtype: "F32" | "F16",
  overwrite = false,
): Promise<ShardFacts> {
  const planes = stackTriplanes(triplanes);
  try {
    const statistics = await collectStats([planes]);
    checkFinite(statistics, facts.clips);
    const whole = { ...facts, statistics };
    const known = Object.entries(whole).filter(([, value]) => value !== undefined);
    const metadata = Object.fromEntries(known.map(([key, value]) => [key, JSON.stringify(value)]));
    const content = { kind: latentsKind, config: asJson(config), tensors: { planes }, metadata };
    await writeAtomically(path, saveCheckpoint(content, { dtype }), { overwrite });
    return whole;
  } finally {
    disposeTriplane(planes);
  }
}

function checkFinite(statistics: TriplaneStats, clips: readonly LatentClip[]): void {
  if (planeNames.every((plane) => statistics[plane].squares.every(Number.isFinite))) return;
  throw new CoordTokError(
    "checkpoint",
    `The tokenizer encodes a clip of ${clips[0]!.video} or a later video to numbers that are not finite: its training has diverged; use another checkpoint.`,
  );
}

/** Opens a shard and reads its metadata. @throws CoordTokError `file-not-found`, `file-format`, `checkpoint`. */
export async function openShard(path: string): Promise<Shard> {
  const source = await openFileSource(path);
  try {
    const { config, metadata, file } = await openCheckpoint(source, { kind: latentsKind, parseConfig: checkAnyConfig });
    const facts = parseFacts(path, metadata);
    const { planes } = geometryOf(path, config, facts.settings);
    const entries = planeNames.map((plane) => {
      const entry = file.entries.get(`planes.${plane}`);
      const expected = planeShape(planes, plane, facts.clips.length);
      if (entry?.shape.join() !== expected.join() || !["F32", "F16"].includes(entry.dtype))
        throw damaged(path, `plane ${plane} does not fit`);
      return entry;
    });
    return { path, config, ...facts, readClip: (from, index) => readClip(path, from, entries, index) };
  } finally {
    await source.close();
  }
}

function parseFacts(path: string, metadata: ReadonlyMap<string, string>): ShardFacts {
  const parsed = (key: string): unknown => {
    try {
      return parseStoredJson(metadata.get(key) ?? "");
    } catch (thrown) {
      throw damaged(path, `its ${key} cannot be read (${messageOf(thrown)})`);
    }
  };
  const stored = {
    settings: parsed("settings"),
    clips: parsed("clips"),
    finished: parsed("finished"),
    sources: metadata.has("sources") ? parsed("sources") : [],
    classes: metadata.has("classes") ? parsed("classes") : undefined,
  };
  return { ...checkShardFacts(stored, path), statistics: parseStats(parsed("statistics") as Json) };
}

function geometryOf(path: string, config: AnyTokenizerConfig, settings: DatasetSettings): LatentGeometry {
  try {
    return latentGeometry(config, settings);
  } catch (thrown) {
    throw damaged(path, messageOf(thrown));
  }
}

function damaged(path: string, problem: string): CoordTokError {
  return new CoordTokError("file-format", `"${path}" is damaged: ${problem}; delete it and encode the dataset again.`);
}

async function readClip(
  path: string,
  source: FileSource,
  entries: readonly SafetensorsEntry[],
  index: number,
): Promise<Triplane> {
  const values = await Promise.all(
    entries.map(async ({ begin, end, shape }) => {
      const bytes = (end - begin) / shape[0]!;
      return source.read(begin + index * bytes, bytes);
    }),
  );
  if (!entries.every(({ dtype }, at) => areFinite(values[at]!, dtype)))
    throw damaged(path, `the planes of clip ${index} hold numbers that are not finite`);
  return mapPlanes((plane) => {
    const at = planeNames.indexOf(plane);
    const entry = entries[at]!;
    const [, outer, inner, channels] = entry.shape as [number, number, number, number];
    return tensor4d(floatsOf(`planes.${plane}`, entry, values[at]!), [1, outer, inner, channels]);
  });
}

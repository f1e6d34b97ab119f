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
import { asJson } from "@coordtok/core/text";
import { openFileSource, writeAtomically, type FileSource } from "@coordtok/core/node";
import { checkConfig, triplaneShapeOf, type TokenizerConfig } from "@coordtok/tokenizer";
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
import { checkShardFacts } from "./stored.js";
import type { ClipPlace } from "./clips-of-video.js";

/** The kind of a file of latents. */
const latentsKind = "latents";

/** One clip of a latent dataset: where it came from. */
export interface LatentClip extends ClipPlace {
  /** The video, relative to the folder of the dataset, with slashes. */
  readonly video: string;
  /** Its class; absent where there are none. */
  readonly class?: string | undefined;
}

/** A video all of whose clips are there. */
export interface FinishedVideo {
  readonly video: string;
  /** What was unusual about it, one sentence each. */
  readonly remarks?: readonly string[] | undefined;
}

/** How the clips of a dataset are made: all that decides what their latents are. */
export type DatasetSettings = Readonly<Record<string, Json>>;

/** What a shard says about itself, besides the planes. */
export interface ShardFacts {
  /** How the clips were made; shards of one dataset agree in it. */
  readonly settings: DatasetSettings;
  readonly clips: readonly LatentClip[];
  /** Videos that were finished by this shard. */
  readonly finished: readonly FinishedVideo[];
  /** Of this shard alone. */
  readonly statistics: TriplaneStats;
}

/** A shard whose facts have been read; planes are read clip by clip. */
export interface Shard extends ShardFacts {
  readonly path: string;
  readonly config: TokenizerConfig;
  /** Reads one clip through a file that is open, the caller's. */
  readClip(source: FileSource, index: number): Promise<Triplane>;
}

/** Writes the triplanes of some clips, one each, as one file `[N, ...]`, and gives the facts that it holds. Nothing is disposed. */
export async function writeShard(
  path: string,
  triplanes: readonly Triplane[],
  config: TokenizerConfig,
  facts: Omit<ShardFacts, "statistics">,
  dtype: "F32" | "F16",
): Promise<ShardFacts> {
  const planes = stackTriplanes(triplanes);
  try {
    const statistics = await collectStats([planes]);
    checkFinite(statistics, facts.clips);
    const whole = { ...facts, statistics };
    const metadata = Object.fromEntries(Object.entries(whole).map(([key, value]) => [key, JSON.stringify(value)]));
    const content = { kind: latentsKind, config: asJson(config), tensors: { planes }, metadata };
    await writeAtomically(path, saveCheckpoint(content, { dtype }));
    return whole;
  } finally {
    disposeTriplane(planes);
  }
}

function checkFinite(statistics: TriplaneStats, clips: readonly LatentClip[]): void {
  if (planeNames.every((plane) => statistics[plane].squares.every(Number.isFinite))) return;
  throw new CoordTokError(
    "checkpoint",
    `The tokenizer gives numbers that are not finite for a clip of ${clips[0]!.video} or one after it; its training has failed, take another checkpoint.`,
  );
}

/** Opens a shard and reads its facts. @throws CoordTokError `file-not-found`, `file-format`, `checkpoint`. */
export async function openShard(path: string): Promise<Shard> {
  const source = await openFileSource(path);
  try {
    const { config, metadata, file } = await openCheckpoint(source, { kind: latentsKind, parseConfig: checkConfig });
    const facts = parseFacts(path, metadata);
    const entries = planeNames.map((plane) => {
      const entry = file.entries.get(`planes.${plane}`);
      const expected = planeShape(triplaneShapeOf(config), plane, facts.clips.length);
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
      return JSON.parse(metadata.get(key) ?? "") as unknown;
    } catch (thrown) {
      throw damaged(path, `its ${key} cannot be read (${messageOf(thrown)})`);
    }
  };
  const stored = { settings: parsed("settings"), clips: parsed("clips"), finished: parsed("finished") };
  return { ...checkShardFacts(stored, path), statistics: parseStats(parsed("statistics") as Json) };
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

import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { CoordTokError, type Notices } from "@coordtok/core";
import type { SourceIdentity } from "@coordtok/core/checks";
import { fileWriteError, lockShared, openFolder, type OpenFolder } from "@coordtok/core/node";
import type { AnyTokenizerConfig } from "@coordtok/tokenizer";
import {
  disposeTriplane,
  mergeStats,
  type CheckpointReference,
  type Triplane,
  type TriplaneStats,
} from "@coordtok/triplane";
import { ownVersion } from "../inspect/versions.js";
import { latentsOwner } from "../outputs/own-folders.js";
import { writeWebdataset } from "./webdataset.js";
import { derivedIndex, hasSameSettings, refuseOtherParts } from "./found-folder.js";
import { FinishedVideos } from "./finished-videos.js";
import { dropVideos } from "./drop-videos.js";
import { isShardName, nextShardNumber, shardPath } from "./shard-name.js";
import type { ClipPlace } from "./clips-of-video.js";
import { goodShards, keyOf, type GoodShard } from "./good-shards.js";
import { writeIndex, type LatentIndex } from "./index-file.js";
import {
  openShard,
  writeShard,
  type DatasetSettings,
  type FinishedVideo,
  type LatentClip,
  type ShardFacts,
  type Stretches,
  type VideoSource,
} from "./shard.js";

/** The settings of a latent dataset. */
export interface DatasetPlan {
  readonly config: AnyTokenizerConfig;
  readonly checkpoint: CheckpointReference;
  readonly settings: DatasetSettings;
  /** The names of all classes. */
  readonly classes: readonly string[];
  readonly dtype: "F32" | "F16";
  /** Number of clips per shard, at least 1. */
  readonly shardSize: number;
  /** The part, for example `2/4` for the second of four; absent for a whole dataset. */
  readonly part?: string | undefined;
}

/** How the folder of a dataset is opened. */
export interface OpenDatasetOptions extends Pick<Notices, "onWarning"> {
  readonly overwrite: boolean;
  /** The files that the dataset is made from; none of them may be one of its own files. */
  readonly inputs: readonly string[];
  /** Sets damaged files aside (default false: the first is an error). */
  readonly repair?: boolean | undefined;
}

/** Whether a dataset is complete, asked once what other parts have written is known; false while it is not. */
type Completeness = false | (() => boolean | Promise<boolean>);

/** What the folder of a dataset holds of a video. */
export interface EarlierVideo {
  /** Its class; absent for one without. */
  readonly class?: string | undefined;
  /** Its content; absent where a version without this record encoded it. */
  readonly source?: SourceIdentity | undefined;
}

/**
 * Writes the folder of a latent dataset. The shards are authoritative: each records which clips it holds and which videos it
 * finishes. The index is derived from them and rewritten after each.
 */
export class DatasetWriter implements AsyncDisposable {
  readonly #opened: OpenFolder;
  /** Where the files are, until they replace those of another dataset. */
  readonly #folder: string;
  readonly #plan: DatasetPlan;
  readonly #classes: readonly string[];
  readonly #shards: { file: string; clips: number }[] = [];
  /** Clips of videos that are not finished. */
  readonly #known = new Set<string>();
  readonly #finished = new FinishedVideos();
  readonly #damaged = new Map<string, string>();
  /** The videos of the shards that were there when the folder was opened. */
  readonly #earlier = new Map<string, EarlierVideo>();
  readonly #sources = new Map<string, SourceIdentity>();
  readonly #skipped: { video: string; reason: string }[] = [];
  readonly #skippedNames = new Set<string>();
  readonly #skippedByOthers = new Map<string, string>();
  #statistics: TriplaneStats | undefined;
  #clips = 0;
  #added = 0;
  #pending: { readonly triplane: Triplane; readonly clip: LatentClip }[] = [];
  #pendingFinished: FinishedVideo[] = [];

  private constructor(opened: OpenFolder, plan: DatasetPlan, classes: readonly string[]) {
    this.#opened = opened;
    this.#folder = opened.place;
    this.#plan = plan;
    this.#classes = classes;
  }

  /**
   * Creates the folder and locks it, or resumes the dataset in it. With `overwrite`, that dataset stays until {@link putInPlace}; if that is
   * never called, the next run with the same settings goes on.
   * @throws CoordTokError `file-exists` for a dataset that was made with other settings and for a folder that holds other things,
   *   `file-write`, `file-format` for a damaged shard.
   */
  static async open(folder: string, plan: DatasetPlan, options: OpenDatasetOptions): Promise<DatasetWriter> {
    const { overwrite, inputs } = options;
    if (overwrite && plan.part !== undefined)
      throw new CoordTokError(
        "config",
        "A part does not replace a dataset, which holds the other parts as well; choose a new folder, or leave the part out.",
        { options: { out: undefined, part: undefined } },
      );
    const part = plan.part?.replace("/", "of");
    const goesOn = (unfinished: string): Promise<boolean> => hasSameSettings(unfinished, plan.settings);
    const opened = await openFolder(folder, latentsOwner, { inputs, resumes: true, replaces: overwrite, goesOn, part });
    try {
      return await DatasetWriter.#resume(opened, folder, plan, options);
    } catch (thrown) {
      await opened[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  static async #resume(
    opened: OpenFolder,
    shown: string,
    plan: DatasetPlan,
    { repair = false, onWarning }: OpenDatasetOptions,
  ): Promise<DatasetWriter> {
    const folder = opened.place;
    if (plan.part !== undefined) await refuseOtherParts(folder, plan.part);
    const names = await readdir(folder).catch((thrown: unknown) => {
      throw fileWriteError(thrown, folder);
    });
    const index = await derivedIndex(folder, onWarning);
    const { settings } = plan;
    const shards = await goodShards(folder, names.filter(isShardName).sort(), { shown, settings, repair, onWarning });
    // The order of the classes is kept, because trained models refer to them by number.
    const before = [...shards.map(({ shard }) => shard.classes ?? []), index?.classes ?? []].reduce(
      (longest, classes) => (classes.length > longest.length ? classes : longest),
    );
    const added = plan.classes.filter((name) => !before.includes(name));
    const writer = new DatasetWriter(opened, plan, [...before, ...added]);
    for (const one of shards) writer.#takeOver(one);
    writer.#reopenVideos(index?.shards.some(({ file }) => !shards.some(({ name }) => name === file)) ?? false);
    return writer;
  }

  #takeOver({ name, shard }: GoodShard): void {
    this.#count(name, shard);
    for (const clip of shard.clips) {
      this.#known.add(keyOf(clip.video, clip));
      this.#earlier.set(clip.video, { class: clip.class, source: this.#sources.get(clip.video) });
    }
  }

  /**
   * Videos are finished whose clips are all there: those of a file that is gone are not.
   * @param lost whether the index lists a file that is gone; then nobody knows of videos without a count.
   */
  #reopenVideos(lost: boolean): void {
    const { start: first, stride, hop } = this.#plan.settings as Readonly<Record<string, number>>;
    const there = new Map<string, number[]>();
    for (const key of this.#known) {
      const [video, start] = JSON.parse(key) as [string, number];
      const stretches = there.get(video);
      const stretch = Math.round((start - first!) / (stride! * hop!));
      if (stretches === undefined) there.set(video, [stretch]);
      else stretches.push(stretch);
    }
    this.#finished.reopen(there, lost);
  }

  #count(file: string, { clips, finished, sources, statistics }: ShardFacts): void {
    this.#shards.push({ file, clips: clips.length });
    this.#clips += clips.length;
    this.#statistics = this.#statistics ? mergeStats(this.#statistics, statistics) : statistics;
    for (const { video, ...source } of sources) this.#sources.set(video, source);
    for (const one of finished) {
      this.#finished.add(one);
      const { video, damage } = one;
      if (damage !== undefined) this.#damaged.set(video, damage);
    }
  }

  /** The videos that the folder held when it was opened, by name. */
  get earlier(): ReadonlyMap<string, EarlierVideo> {
    return this.#earlier;
  }

  /** Videos of which only a part decodes, and what is damaged. */
  get damaged(): readonly { readonly video: string; readonly reason: string }[] {
    return [...this.#damaged].map(([video, reason]) => ({ video, reason }));
  }

  /** Removes the clips of videos, so that they can be encoded again. The index is written afterwards, unless no clip is left. */
  async drop(videos: ReadonlySet<string>): Promise<void> {
    const { dtype } = this.#plan;
    const shards = this.#shards.splice(0);
    this.#clips = 0;
    this.#statistics = undefined;
    for (const set of [this.#known, this.#finished, this.#damaged, this.#sources]) set.clear();
    for (const { file } of shards) {
      const { facts, homeless } = await dropVideos(join(this.#folder, file), videos, dtype);
      this.#pendingFinished.push(...homeless.finished);
      if (facts === undefined) continue;
      this.#count(file, facts);
      for (const clip of facts.clips) this.#known.add(keyOf(clip.video, clip));
    }
    for (const one of this.#pendingFinished) this.#finished.add(one);
    if (this.#shards.length > 0) await this.flush({ complete: false });
  }

  /** Number of clips, including those not yet written. */
  get clips(): number {
    return this.#clips + this.#pending.length;
  }

  /** Number of clips that were added. */
  get added(): number {
    return this.#added;
  }

  /** Number of videos that are finished or were skipped. */
  get videos(): number {
    return this.#finished.size + this.#skippedNames.size;
  }

  /** Writes every shard of this part, or all of a whole dataset, as a tar archive as well, unless it is there. @throws CoordTokError `file-write`. */
  async exportWebdataset(): Promise<void> {
    await this.#opened.check();
    const own = this.#plan.part === undefined ? "shard-" : basename(shardPath("", 0, this.#plan.part)).slice(0, -17);
    for (const { file } of this.#shards) if (file.startsWith(own)) await writeWebdataset(join(this.#folder, file));
  }

  /** Videos that could not be read completely, and why. */
  get skipped(): readonly { readonly video: string; readonly reason: string }[] {
    return this.#skipped;
  }

  /** Whether a video is finished or was skipped. */
  isSettled(video: string): boolean {
    return this.isFinished(video) || this.#skippedNames.has(video) || this.#skippedByOthers.has(video);
  }

  /** Whether all clips of a video exist, or of some of its stretches. */
  isFinished(video: string, stretches?: Stretches): boolean {
    return this.#finished.has(video, stretches);
  }

  /** Whether stretches of a video are finished, or it was skipped. */
  isSettledIn(video: string, stretches: Stretches): boolean {
    return this.isSettled(video) || this.isFinished(video, stretches);
  }

  /** Where the files are written, until they replace those of another dataset. */
  get place(): string {
    return this.#folder;
  }

  /** Whether a clip exists. */
  has(video: string, place: ClipPlace): boolean {
    return this.#known.has(keyOf(video, place));
  }

  /**
   * Takes ownership of a triplane. A full shard is written before the next triplane, not after the last, so that it can also record
   * the end of the video.
   */
  async add(triplane: Triplane, clip: LatentClip): Promise<void> {
    if (this.#pending.length >= this.#plan.shardSize) await this.flush({ complete: false });
    this.#pending.push({ triplane, clip });
    this.#added++;
  }

  /** Records what the clips of a video are made from, before the first of them. */
  from(video: string, source: SourceIdentity): void {
    this.#sources.set(video, source);
  }

  /** Records that a video has been read to its end. */
  finish(video: FinishedVideo): void {
    this.#finished.add(video);
    if (video.damage !== undefined) this.#damaged.set(video.video, video.damage);
    this.#pendingFinished.push(video);
  }

  /** Records that a video cannot be read completely. */
  skip(video: string, reason: string): void {
    this.#skipped.push({ video, reason });
    this.#skippedNames.add(video);
  }

  /** Writes the waiting triplanes, and the index. Returns the index; `undefined` as long as there is no clip. */
  async flush({ complete }: { readonly complete: Completeness }): Promise<LatentIndex | undefined> {
    if (this.#pending.length > 0) await this.#writePending();
    if (this.#plan.part === undefined) return this.#writeIndex(complete);
    // Parts that run at the same time write the index in turn, each with the files of all.
    await using lock = await lockShared(this.#folder, undefined);
    await lock.check();
    await this.#readOtherParts();
    return await this.#writeIndex(complete);
  }

  /** Takes the files of other parts into the index, and what they have skipped. */
  async #readOtherParts(): Promise<void> {
    const names = (await readdir(this.#folder)).filter(isShardName).sort();
    const known = new Set(this.#shards.map(({ file }) => file));
    for (const name of names) {
      if (known.has(name)) continue;
      const shard = await openShard(join(this.#folder, name));
      this.#count(name, shard);
      for (const clip of shard.clips) this.#known.add(keyOf(clip.video, clip));
    }
    const index = await derivedIndex(this.#folder, undefined);
    for (const { video, reason } of index?.skipped ?? [])
      if (!this.isSettled(video)) this.#skippedByOthers.set(video, reason);
  }

  async #writeIndex(complete: Completeness): Promise<LatentIndex | undefined> {
    if (!this.#statistics) return undefined;
    const { config, checkpoint, settings } = this.#plan;
    const others = [...this.#skippedByOthers].filter(([video]) => !this.#finished.has(video));
    const index: LatentIndex = {
      creator: `coordtok ${ownVersion}`,
      config,
      checkpoint,
      settings,
      complete: complete !== false && (await complete()),
      clips: this.#clips,
      classes: this.#classes,
      shards: [...this.#shards].sort((a, b) => (a.file < b.file ? -1 : 1)),
      skipped: [...others.map(([video, reason]) => ({ video, reason })), ...this.#skipped],
      damaged: this.damaged,
      statistics: this.#statistics,
    };
    await writeIndex(this.#folder, index);
    return index;
  }

  /** Puts a dataset that replaces another one in its place. @throws CoordTokError `file-write`. */
  putInPlace(): Promise<void> {
    return this.#opened.finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#dropPending();
    await this.#opened[Symbol.asyncDispose]();
  }

  async #writePending(): Promise<void> {
    await this.#opened.check();
    const { config, settings, dtype, part } = this.#plan;
    const names = this.#shards.map(({ file }) => file);
    const path = shardPath(this.#folder, nextShardNumber(names, part), part);
    const clips = this.#pending.map(({ clip }) => clip);
    const facts = await writeShard(
      path,
      this.#pending.map(({ triplane }) => triplane),
      config,
      { settings, clips, finished: this.#pendingFinished, sources: this.#sourcesOf(clips), classes: this.#classes },
      dtype,
    );
    this.#count(basename(path), facts);
    this.#dropPending();
    this.#pendingFinished = [];
  }

  #sourcesOf(clips: readonly LatentClip[]): VideoSource[] {
    const videos = new Set([...clips, ...this.#pendingFinished].map(({ video }) => video));
    return [...videos].flatMap((video) => {
      const source = this.#sources.get(video);
      return source === undefined ? [] : [{ video, ...source }];
    });
  }

  #dropPending(): void {
    for (const { triplane } of this.#pending) disposeTriplane(triplane);
    this.#pending = [];
  }
}

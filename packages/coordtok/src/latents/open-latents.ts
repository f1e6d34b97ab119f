import {
  checkOptions,
  CoordTokError,
  Random,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
} from "@coordtok/core";
import { openFileSource, pathWithin, settleFolder, type FileSource } from "@coordtok/core/node";
import { countText } from "@coordtok/core/text";
import type { LabelledTriplane } from "@coordtok/triplane";
import { readIndex, type LatentIndex } from "./index-file.js";
import { latentsOwner } from "../outputs/own-folders.js";
import { openShard, type Shard } from "./shard.js";

/** The order in which clips are read, and their number. */
export interface ReadLatentsOptions extends Pick<LongCallOptions, "signal"> {
  /** The seed of the order (default 0). */
  readonly seed?: number | undefined;
  /** Whether each pass has its own random order (default true); otherwise clips come in the order of the files. */
  readonly shuffle?: boolean | undefined;
  /** Number of passes over all clips (default: endless). */
  readonly passes?: number | undefined;
  /** Number of clips to skip at the beginning of this order, because they have been used (default 0). */
  readonly start?: number | undefined;
}

const readLatentsOptionNames: OptionNames<ReadLatentsOptions> = {
  seed: true,
  shuffle: true,
  passes: true,
  start: true,
  signal: true,
};

/** A latent dataset opened for reading. Close it when done. */
export interface Latents extends AsyncDisposable {
  /** The content of the index: the tokenizer, the classes, the statistics. */
  readonly index: LatentIndex;
  /** Number of clips. */
  readonly length: number;
  /**
   * Reads one clip, B = 1, owned by the caller.
   * @param index 0 to length-1, in the order of the files.
   */
  get(index: number): Promise<LabelledTriplane>;
  /**
   * Yields clips one by one, B = 1, each owned by the caller. The order depends only on the seed, so a training that resumes at
   * `start` continues as if it had never stopped; every clip comes once in each pass. While parts of a dataset are still
   * written, its index is not complete, and each pass takes in the clips that were added since the one before; a training resumes exactly only
   * where it read a complete one. Memory holds one clip at a time, and 4 bytes
   * per clip for the order.
   */
  read(options: ReadLatentsOptions & { readonly passes: number }): AsyncGenerator<LabelledTriplane, void>;
  /** Without `passes` the clips never end. */
  read(options?: ReadLatentsOptions): AsyncGenerator<LabelledTriplane, never>;
  /** Closes the files. */
  close(): Promise<void>;
}

/** The largest number of files open at a time. */
const mostOpenFiles = 16;

/**
 * Opens a folder made by `encodeDataset`. The metadata of all shards are read; planes are read on demand.
 * @throws CoordTokError `file-not-found`, `file-format` for a folder of another kind or a damaged folder.
 */
export async function openLatents(folder: string): Promise<Latents> {
  await settleFolder(folder, latentsOwner);
  return new OpenLatents(folder, await contentOf(folder));
}

/** What the files of a dataset say. */
interface Content {
  readonly index: LatentIndex;
  readonly shards: readonly Shard[];
  readonly labels: Int32Array;
}

async function contentOf(folder: string): Promise<Content> {
  const index = await readIndex(folder);
  const numbers = new Map(index.classes.map((name, number) => [name, number]));
  const shards: Shard[] = [];
  const labels: number[] = [];
  for (const { file, clips } of index.shards) {
    const shard = await openShard(await pathWithin(folder, file));
    if (shard.clips.length !== clips || JSON.stringify(shard.config) !== JSON.stringify(index.config))
      throw new CoordTokError(
        "file-format",
        `The index of "${folder}" does not fit ${file}; encode the dataset again, which corrects the index.`,
      );
    shards.push({ ...shard, clips: [], finished: [] });
    for (const clip of shard.clips) {
      if (clip.class === undefined && numbers.size > 0)
        throw new CoordTokError(
          "file-format",
          `The clip of ${clip.video} in ${file} of "${folder}" has no class, but the dataset has ${countText(numbers.size, "class", "classes")}; encode the dataset again into another folder.`,
        );
      const label = clip.class === undefined ? 0 : numbers.get(clip.class);
      if (label === undefined)
        throw new CoordTokError(
          "file-format",
          `The index of "${folder}" does not list the class "${clip.class!}" of ${clip.video} in ${file}; encode the dataset once more, which corrects the index.`,
        );
      labels.push(label);
    }
  }
  return { index, shards, labels: Int32Array.from(labels) };
}

/** The number of the first clip of each shard. */
function firstClips({ shards }: LatentIndex): number[] {
  let first = 0;
  return shards.map(({ clips }) => {
    first += clips;
    return first - clips;
  });
}

class OpenLatents implements Latents {
  readonly #folder: string;
  #content: Content;
  /** The index of the first clip of each shard. */
  #first: readonly number[];
  /** The open files; the one used last is at the end. */
  readonly #open = new Map<Shard, FileSource>();

  constructor(folder: string, content: Content) {
    this.#folder = folder;
    this.#content = content;
    this.#first = firstClips(content.index);
  }

  get index(): LatentIndex {
    return this.#content.index;
  }

  get length(): number {
    return this.#content.labels.length;
  }

  async get(index: number): Promise<LabelledTriplane> {
    const label = this.#content.labels[index];
    if (label === undefined)
      throw new CoordTokError("input", `Expected a clip number from 0 to ${this.length - 1}, got ${index}.`);
    const after = this.#first.findIndex((first) => first > index);
    const at = (after === -1 ? this.#first.length : after) - 1;
    const shard = this.#content.shards[at]!;
    const triplane = await shard.readClip(await this.#sourceOf(shard), index - this.#first[at]!);
    return { triplane, labels: [label] };
  }

  read(options: ReadLatentsOptions & { readonly passes: number }): AsyncGenerator<LabelledTriplane, void>;
  read(options?: ReadLatentsOptions): AsyncGenerator<LabelledTriplane, never>;
  async *read(options: ReadLatentsOptions = {}): AsyncGenerator<LabelledTriplane, void> {
    checkOptions(options, readLatentsOptionNames, "Latents.read");
    const { seed = 0, shuffle = true, passes = Infinity, start = 0, signal } = options;
    const random = new Random(seed);
    let before = 0;
    for (let pass = 0; pass < passes; pass++) {
      const own = random.fork();
      const { length } = this;
      const from = start - before;
      before += length;
      if (from >= length) continue;
      const order = shuffle ? own.permutation(length) : undefined;
      for (let i = Math.max(0, from); i < length; i++) {
        throwIfAborted(signal);
        yield await this.get(order?.[i] ?? i);
      }
      if (!this.index.complete && pass + 1 < passes) await this.#takeIn();
    }
  }

  /** Takes in what has been written since. */
  async #takeIn(): Promise<void> {
    const content = await contentOf(this.#folder);
    if (JSON.stringify(content.index.settings) !== JSON.stringify(this.index.settings))
      throw new CoordTokError(
        "file-format",
        `"${this.#folder}" was replaced by another dataset while it was read; open it again.`,
      );
    await this.close();
    this.#content = content;
    this.#first = firstClips(content.index);
  }

  async #sourceOf(shard: Shard): Promise<FileSource> {
    const source = this.#open.get(shard) ?? (await openFileSource(shard.path));
    this.#open.delete(shard);
    this.#open.set(shard, source);
    const [oldest] = this.#open;
    if (oldest && this.#open.size > mostOpenFiles) {
      this.#open.delete(oldest[0]);
      await oldest[1].close();
    }
    return source;
  }

  async close(): Promise<void> {
    for (const source of this.#open.values()) await source.close();
    this.#open.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

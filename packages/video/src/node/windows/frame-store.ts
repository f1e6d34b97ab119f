import { readdir, rm, stat, statfs, utimes } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { CoordTokError, isCoordTokError } from "@coordtok/core";
import { checkStored } from "@coordtok/core/checks";
import {
  acquireLock,
  cacheFolder,
  claimFolder,
  fileWriteError,
  makePrivateFolder,
  openFileSource,
  writeAtomically,
  type FileSource,
  type FolderOwner,
} from "@coordtok/core/node";
import { parseStoredJson } from "@coordtok/core/text";
import { literal, maxValue, minValue, number, integer, object, pipe, string } from "valibot";
import type { FrameSize } from "../../types.js";

/** The frames of one entry of a store, open for reading. */
export interface StoredFrames extends FrameSize, AsyncDisposable {
  /** The number of frames. */
  readonly frameCount: number;
  /** Reads `count` frames from `start` on. @throws CoordTokError `file-format` when they are damaged. */
  read(start: number, count: number): Promise<Uint8Array>;
}

/** What a folder of stored frames takes at most by default, in bytes; less where the disk has less than twice as much left. */
export const defaultStoreBytes = 20e9;

const owner: FolderOwner = {
  command: "training frames",
  entries: [{ name: /[0-9a-f]{64}\.frames/ }, { name: /[0-9a-f]{64}\.lock(?:\.[\w-]+)*/ }],
  made: () => Promise.resolve(false),
};

const magic = "CTFRAMES";
/** The length of the description, and the magic. */
const tailBytes = 4 + magic.length;
const mostDescription = 4096;
const count = pipe(number(), integer(), minValue(1), maxValue(2 ** 31));
const side = pipe(number(), integer(), minValue(1), maxValue(2 ** 16));
const description = object({
  kind: literal("coordtok.frames"),
  version: literal(1),
  key: string(),
  width: side,
  height: side,
  frames: count,
  /** The CRC-32 of the table of the frames' CRC-32s. */
  table: pipe(number(), integer(), minValue(0), maxValue(2 ** 32 - 1)),
});

/** An entry is used: its time is set at most this often, in milliseconds. */
const touchInterval = 60_000;
/** What a process that was killed has left is removed after this time, in milliseconds. */
const abandonedAfter = 24 * 3600 * 1000;

/**
 * Resized frames on disk, shared by all trainings: one file for each video, or part of one, and size. When the store is full, the entries
 * that have not been used for the longest time are removed. Several threads and processes may use it at the same time. A damaged entry
 * counts as missing.
 */
export class FrameStore {
  readonly folder: string;
  readonly #limit: number;
  #writtenSinceScan = Infinity;

  private constructor(folder: string, limit: number) {
    this.folder = folder;
    this.#limit = limit;
  }

  /**
   * Opens the store in its folder.
   * @param bytes what it may take.
   * @throws CoordTokError `file-exists` for a folder that holds other things, `file-write`.
   */
  static async open(bytes: number, folder: string = join(cacheFolder(), "training-frames")): Promise<FrameStore> {
    await makePrivateFolder(folder).catch((thrown: unknown) => {
      throw fileWriteError(thrown, folder);
    });
    await claimFolder(folder, owner, { resumes: true });
    return new FrameStore(folder, bytes);
  }

  /** Opens an entry; `undefined` when there is none, or a damaged one, which is removed. */
  async find(key: string): Promise<StoredFrames | undefined> {
    const path = this.#pathOf(key);
    const source = await openFileSource(path).catch(() => undefined);
    if (source === undefined) return undefined;
    try {
      const frames = await openEntry(source, key);
      await touch(path);
      return frames;
    } catch (thrown) {
      await source.close();
      if (!isCoordTokError(thrown)) throw thrown;
      await this.remove(key);
      return undefined;
    }
  }

  /** Removes an entry. */
  async remove(key: string): Promise<void> {
    await rm(this.#pathOf(key), { force: true });
  }

  /**
   * Waits until no other thread or process makes an entry, and keeps others from making it.
   * @returns a function to call when it is made.
   * @throws CoordTokError `file-write`, `aborted`.
   */
  async reserve(key: string, signal: AbortSignal | undefined): Promise<() => Promise<void>> {
    const path = join(this.folder, `${key}.lock`);
    const lock = await acquireLock(path, { signal });
    return () => lock.release();
  }

  /**
   * Writes an entry, then removes others if the store is full.
   * @param frames the bytes of the frames, all of one size.
   * @throws CoordTokError `file-write`, `input` for no frames, `aborted`, and what `frames` throws.
   */
  async write(
    key: string,
    frames: AsyncIterable<FrameSize & { readonly data: Uint8Array }>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const path = this.#pathOf(key);
    let bytes = 0;
    const content = async function* (): AsyncGenerator<Uint8Array, void> {
      for await (const piece of entryContent(key, frames)) {
        bytes += piece.length;
        yield piece;
      }
    };
    await writeAtomically(path, content(), { overwrite: true, signal });
    this.#writtenSinceScan += bytes;
    if (this.#writtenSinceScan > this.#limit / 50) await this.#makeRoom(path);
  }

  async #makeRoom(kept: string): Promise<void> {
    this.#writtenSinceScan = 0;
    const files: { path: string; bytes: number; usedMs: number }[] = [];
    for (const name of await readdir(this.folder).catch(() => [])) {
      const path = join(this.folder, name);
      const facts = await stat(path).catch(() => undefined);
      if (facts === undefined) continue;
      if (name.endsWith(".partial.frames") && Date.now() - facts.mtimeMs > abandonedAfter)
        await rm(path, { force: true });
      else if (name.endsWith(".frames")) files.push({ path, bytes: facts.size, usedMs: facts.mtimeMs });
    }
    let total = files.reduce((sum, file) => sum + file.bytes, 0);
    const most = Math.min(this.#limit, await roomFor(this.folder, total));
    for (const { path, bytes } of files.sort((a, b) => a.usedMs - b.usedMs)) {
      if (total <= most) return;
      if (path === kept || path.endsWith(".partial.frames")) continue;
      await rm(path, { force: true });
      total -= bytes;
    }
  }

  #pathOf(key: string): string {
    return join(this.folder, `${key}.frames`);
  }
}

/** What the store may take on its disk, so that as much as it takes stays free. */
async function roomFor(folder: string, taken: number): Promise<number> {
  const facts = await statfs(folder).catch(() => undefined);
  return facts === undefined ? Infinity : (taken + facts.bavail * facts.bsize) / 2;
}

async function touch(path: string): Promise<void> {
  const facts = await stat(path).catch(() => undefined);
  const now = new Date();
  if (facts !== undefined && now.getTime() - facts.mtimeMs > touchInterval)
    await utimes(path, now, now).catch(() => undefined);
}

async function* entryContent(
  key: string,
  frames: AsyncIterable<FrameSize & { readonly data: Uint8Array }>,
): AsyncGenerator<Uint8Array, void> {
  const sums: number[] = [];
  let size: FrameSize | undefined;
  for await (const { width, height, data } of frames) {
    size ??= { width, height };
    sums.push(crc32(data));
    yield data;
  }
  if (size === undefined) throw new CoordTokError("input", "Expected at least one frame to store, got none.");
  const table = Buffer.alloc(4 * sums.length);
  sums.forEach((sum, i) => table.writeUInt32LE(sum, 4 * i));
  yield table;
  const facts = { kind: "coordtok.frames", version: 1, key, ...size, frames: sums.length, table: crc32(table) };
  const text = Buffer.from(JSON.stringify(facts));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  yield Buffer.concat([text, length, Buffer.from(magic)]);
}

/** @throws CoordTokError `file-format`. */
async function openEntry(source: FileSource, key: string): Promise<StoredFrames> {
  const { path, size } = source;
  const damaged = (): CoordTokError => new CoordTokError("file-format", `"${path}" is damaged.`);
  if (size < tailBytes) throw damaged();
  const tail = Buffer.from(await source.read(size - tailBytes, tailBytes));
  const length = tail.readUInt32LE(0);
  if (tail.toString("latin1", 4) !== magic || length > mostDescription || length > size - tailBytes) throw damaged();
  const text = Buffer.from(await source.read(size - tailBytes - length, length)).toString();
  const facts = checkStored(description, jsonOf(text), `"${path}"`);
  const { width, height, frames } = facts;
  const frameBytes = width * height * 3;
  if (facts.key !== key || size !== frames * (frameBytes + 4) + length + tailBytes) throw damaged();
  const table = Buffer.from(await source.read(frames * frameBytes, 4 * frames));
  if (crc32(table) !== facts.table) throw damaged();
  return {
    width,
    height,
    frameCount: frames,
    read: async (start, wanted) => {
      const bytes = await source.read(start * frameBytes, wanted * frameBytes);
      for (let i = 0; i < wanted; i++)
        if (crc32(bytes.subarray(i * frameBytes, (i + 1) * frameBytes)) !== table.readUInt32LE(4 * (start + i)))
          throw damaged();
      return bytes;
    },
    [Symbol.asyncDispose]: () => source.close(),
  };
}

function jsonOf(text: string): unknown {
  try {
    return parseStoredJson(text);
  } catch {
    return undefined;
  }
}

import { createHash } from "node:crypto";
import type { SourceIdentity } from "@coordtok/core/checks";
import { identifySource } from "@coordtok/core/node";
import { CoordTokError, isCoordTokError, pickOptions, type RgbClip, type RgbFrame } from "@coordtok/core";
import { rgbClipFromFrames } from "../../clip.js";
import type { FrameSize, VideoInfo } from "../../types.js";
import { ffmpegOptionNames, type FfmpegOptions } from "../find-ffmpeg.js";
import { probe } from "../probe.js";
import { decodeFrames } from "../read-frames.js";
import { FrameStore, type StoredFrames } from "./frame-store.js";

/** How frames become frames of a window: all of one size, as `readFrames` makes them, or scaled by ffmpeg to a short side of at most so many pixels. */
export type WindowFrames = { readonly size: FrameSize } | { readonly shortSide: number };

/** What determines how windows are read; it can be sent to a thread. */
export interface WindowReaderOptions {
  readonly frames: WindowFrames;
  /** The most frames of a window. */
  readonly longest: number;
  /** What stored frames may take on disk, in bytes; 0 stores none. */
  readonly storeBytes: number;
  /** The folder of stored frames (default: `training-frames` in the cache folder). */
  readonly storeFolder?: string | undefined;
  readonly ffmpeg: FfmpegOptions;
}

/** Which frames of a video to read. */
export interface WindowRequest {
  /** The path of the video. */
  readonly path: string;
  /** Where the window begins, from 0 for the first frame to just below 1 for the last possible place. */
  readonly place: number;
  /** The number of frames, at most `longest`. A shorter video gives all it has. */
  readonly frames: number;
  /** What tells the content of the video, if that is known; it is then read only if the file has changed. */
  readonly identity?: SourceIdentity | undefined;
}

/** Videos of up to so many frames are decoded as a whole. */
const mostWhole = 512;
/** Of longer ones, parts are decoded in which so many windows begin. */
const partFrames = 256;
/** What frames that cannot be stored may take in memory, in bytes. */
const mostHeldBytes = 2 ** 30;

/** A part of a video that is decoded, and stored, together. */
interface Part {
  /** The first frame, 0 for a whole video. */
  readonly first: number;
  /** The number of frames; `undefined` for all. */
  readonly length: number | undefined;
  /** Where decoding begins, in seconds. */
  readonly seekSeconds: number;
}

const whole: Part = { first: 0, length: undefined, seekSeconds: 0 };

/**
 * Reads windows of videos. Which frames a window holds depends on the content of the video and on the request alone: not on what is stored
 * already, or on who reads it.
 */
export class WindowReader {
  readonly #options: WindowReaderOptions;
  #store: FrameStore | undefined;
  #opening: Promise<void> | undefined;
  readonly #identities = new Map<string, Promise<SourceIdentity>>();
  readonly #infos = new Map<string, Promise<VideoInfo>>();

  constructor(options: WindowReaderOptions) {
    this.#options = options;
  }

  /**
   * Reads a window.
   * @throws CoordTokError as `readFrames`, and `memory` for a video that can neither be stored nor held in memory.
   */
  async read(request: WindowRequest, signal?: AbortSignal): Promise<RgbClip> {
    this.#opening ??= this.#openStore();
    await this.#opening;
    for (let attempt = 1; ; attempt++)
      try {
        return await this.#tryRead(request, signal);
      } catch (thrown) {
        // Another process has removed the entry between its making and its reading, or the disk returns other bytes.
        if (!(thrown instanceof EntryLost) || attempt === 3) throw thrown;
        this.#store = attempt === 2 ? undefined : this.#store;
      }
  }

  async #openStore(): Promise<void> {
    const { storeBytes, storeFolder } = this.#options;
    if (storeBytes > 0) this.#store = await FrameStore.open(storeBytes, storeFolder);
  }

  async #tryRead(request: WindowRequest, signal: AbortSignal | undefined): Promise<RgbClip> {
    const { path, place, frames, identity: known } = request;
    if (this.#store !== undefined && !this.#identities.has(path))
      this.#identities.set(path, identifySource(path, { known }));
    // Only short videos are stored as a whole, so this needs no facts about the file.
    const stored = await this.#find(path, whole);
    if (stored !== undefined) return this.#cut(stored, startOf(place, frames, stored.frameCount), frames, whole, path);
    const info = await this.#infoOf(path, signal);
    const total = countOf(info);
    if (total === undefined || total <= mostWhole)
      return this.#make(path, whole, info, signal, (count) => startOf(place, frames, count), frames);
    const start = startOf(place, frames, total);
    // A part has no length of its own that its frames could be compared with.
    const facts = { ...info, frameCount: undefined, durationSeconds: undefined };
    const read = async (part: Part, at: number): Promise<RgbClip> => {
      const within = (count: number): number => Math.max(0, Math.min(at - part.first, count - frames));
      const found = await this.#find(path, part);
      if (found !== undefined) return this.#cut(found, within(found.frameCount), frames, part, path);
      return this.#make(path, part, facts, signal, within, frames);
    };
    const part = this.#partOf(start, info);
    try {
      return await read(part, start);
    } catch (thrown) {
      // The file may end before the length that it states.
      if (part.first === 0 || !isCoordTokError(thrown) || !["file-format", "input"].includes(thrown.code)) throw thrown;
      return read(this.#partOf(0, info), start % partFrames);
    }
  }

  #partOf(start: number, { averageFps }: VideoInfo): Part {
    const first = Math.floor(start / partFrames) * partFrames;
    // Half a frame earlier, so that rounding does not skip the frame.
    const seekSeconds = first === 0 ? 0 : (first - 0.5) / averageFps;
    return { first, length: partFrames + this.#options.longest - 1, seekSeconds };
  }

  /** Decodes a part, stores it, and cuts a window out of it. */
  async #make(
    path: string,
    part: Part,
    info: VideoInfo,
    signal: AbortSignal | undefined,
    startIn: (count: number) => number,
    frames: number,
  ): Promise<RgbClip> {
    const store = this.#store;
    if (store !== undefined) {
      const key = await this.#keyOf(path, part);
      const release = await store.reserve(key, signal);
      try {
        const made = await store.find(key);
        if (made !== undefined) return await this.#cut(made, startIn(made.frameCount), frames, part, path);
        await store.write(key, this.#decode(path, part, info, signal), signal);
      } catch (thrown) {
        // A full disk must not end a training.
        if (!isCoordTokError(thrown) || thrown.code !== "file-write") throw thrown;
        this.#store = undefined;
      } finally {
        await release();
      }
      const made = this.#store === undefined ? undefined : await store.find(key);
      if (made !== undefined) return this.#cut(made, startIn(made.frameCount), frames, part, path);
    }
    const clip = await rgbClipFromFrames(bounded(this.#decode(path, part, info, signal), path));
    return cutClip(clip, startIn(clip.frameCount), frames);
  }

  async *#decode(
    path: string,
    { length, seekSeconds }: Part,
    info: VideoInfo,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<RgbFrame, void> {
    const { frames, ffmpeg } = this.#options;
    const size = "size" in frames ? frames.size : shrunk(info, frames.shortSide);
    const decoded = decodeFrames(path, length === undefined ? {} : { length }, {
      ...ffmpeg,
      info,
      signal,
      seekSeconds,
      size,
      resize: "size" in frames ? "exact" : "fast",
    });
    yield* decoded;
  }

  async #find(path: string, part: Part): Promise<StoredFrames | undefined> {
    return this.#store === undefined ? undefined : this.#store.find(await this.#keyOf(path, part));
  }

  /** Reads a window of stored frames and closes them. */
  async #cut(stored: StoredFrames, start: number, frames: number, part: Part, path: string): Promise<RgbClip> {
    await using open = stored;
    const { width, height } = open;
    const frameCount = Math.min(frames, open.frameCount);
    try {
      return { data: await open.read(start, frameCount), frameCount, width, height };
    } catch (thrown) {
      if (!isCoordTokError(thrown)) throw thrown;
      await this.#store?.remove(await this.#keyOf(path, part));
      throw new EntryLost(thrown.message);
    }
  }

  async #keyOf(path: string, { first, length }: Part): Promise<string> {
    const { bytes, of, sha256 } = await this.#identities.get(path)!;
    const { frames } = this.#options;
    const facts = { version: 1, content: { bytes, of, sha256 }, frames, first, length: length ?? null };
    return createHash("sha256").update(JSON.stringify(facts)).digest("hex");
  }

  #infoOf(path: string, signal: AbortSignal | undefined): Promise<VideoInfo> {
    let info = this.#infos.get(path);
    if (info === undefined)
      this.#infos.set(path, (info = probe(path, { ...pickOptions(this.#options.ffmpeg, ffmpegOptionNames), signal })));
    return info;
  }
}

/** An entry vanished or turned out to be damaged while it was read. */
class EntryLost extends Error {}

/** The number of frames of a video as far as its container tells; `undefined` where it does not. */
function countOf({ frameCount, durationSeconds, averageFps }: VideoInfo): number | undefined {
  const stated = frameCount ?? (durationSeconds === undefined ? undefined : Math.floor(durationSeconds * averageFps));
  return stated === undefined || stated < 1 ? undefined : stated;
}

function startOf(place: number, frames: number, count: number): number {
  return Math.floor(place * Math.max(1, count - frames + 1));
}

function cutClip(clip: RgbClip, start: number, frames: number): RgbClip {
  const frameCount = Math.min(frames, clip.frameCount);
  const bytes = clip.width * clip.height * 3;
  return { ...clip, frameCount, data: clip.data.slice(start * bytes, (start + frameCount) * bytes) };
}

async function* bounded(frames: AsyncIterable<RgbFrame>, path: string): AsyncGenerator<RgbFrame, void> {
  let bytes = 0;
  for await (const frame of frames) {
    bytes += frame.data.length;
    if (bytes > mostHeldBytes)
      throw new CoordTokError(
        "memory",
        `"${path}" does not say how long it is, and its frames can neither be stored nor held in memory; convert it to mp4, or make room for stored frames.`,
      );
    yield frame;
  }
}

/** The size of frames whose short side is at most so many pixels. */
function shrunk({ width, height }: FrameSize, shortSide: number): FrameSize {
  const scale = Math.min(1, shortSide / Math.min(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

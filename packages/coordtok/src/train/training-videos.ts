import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { checkChoice, CoordTokError, isCoordTokError, pickOptions, throwIfAborted, type RgbClip } from "@coordtok/core";
import { videoDraws, type WindowSource } from "@coordtok/tokenizer/train";
import { damagedPolicies, type DamagedPolicy } from "@coordtok/video";
import { countFrames, ffmpegOptionNames, type WindowLoader } from "@coordtok/video/node";
import type { CommonOptions } from "../model.js";
import type { TrainingSource } from "./training-sources.js";

/** A video that could not be read, and why. */
export interface SkippedVideo {
  /** The path of the video. */
  readonly video: string;
  /** Why, as one sentence. */
  readonly reason: string;
}

/** What reads windows: a loader, or one that knows the content of some videos. */
export type WindowReading = Pick<WindowLoader, "read">;

/** Lets a loader know the content of videos, so that it need not read them to learn it. */
export function knowingSources(loader: WindowReading, sources: readonly TrainingSource[]): WindowReading {
  const known = new Map(sources.map((source) => [source.path, source]));
  return { read: (request) => loader.read({ ...request, identity: known.get(resolve(request.path)) }) };
}

/** What a training on videos reads. */
export interface TrainingVideos {
  /** The videos to train on, in the order in which they are numbered. */
  readonly videos: readonly string[];
  /** The seed of the order in which windows are drawn. */
  readonly seed: number;
  /** The frames of a window. */
  readonly frames: number;
  /** Says why a video is of no use to the training, if it is not. */
  readonly problemOf?: ((clip: RgbClip, path: string) => string | undefined) | undefined;
}

/** Reads the windows of a training, those of the next steps ahead. */
export class TrainingWindows implements WindowSource {
  /** The videos that could not be read so far, in the order in which that was found. */
  readonly skipped: SkippedVideo[] = [];
  readonly #loader: WindowReading;
  readonly #videos: readonly string[];
  readonly #frames: number;
  readonly #problemOf: TrainingVideos["problemOf"];
  readonly #drawOf: ReturnType<typeof videoDraws>;
  readonly #options: Pick<CommonOptions, "signal" | "onWarning">;
  readonly #failed = new Set<string>();
  readonly #reading = new Map<number, Promise<RgbClip>>();

  /** @param loader reads frames of the size of the training. */
  constructor(
    loader: WindowReading,
    { videos, seed, frames, problemOf }: TrainingVideos,
    options: Pick<CommonOptions, "signal" | "onWarning">,
  ) {
    this.#loader = loader;
    this.#videos = videos;
    this.#frames = frames;
    this.#problemOf = problemOf;
    this.#drawOf = videoDraws(seed, videos.length);
    this.#options = options;
  }

  /**
   * Returns the windows with these numbers and begins to read those that follow.
   * @throws CoordTokError `input` when no video can be read, `aborted` once the signal of the training is.
   */
  readonly windows = async (first: number, count: number): Promise<RgbClip[]> => {
    const wanted = Array.from({ length: count }, (_, i) => this.#windowOf(first + i));
    for (let i = 0; i < windowsAhead(count); i++) void this.#windowOf(first + count + i);
    try {
      return await untilAborted(Promise.all(wanted), this.#options.signal);
    } finally {
      for (let i = 0; i < count; i++) this.#reading.delete(first + i);
    }
  };

  #windowOf(number: number): Promise<RgbClip> {
    let window = this.#reading.get(number);
    if (window === undefined) {
      window = this.#read(number);
      // Whoever asks for the window learns of its failure.
      window.catch(() => undefined);
      this.#reading.set(number, window);
    }
    return window;
  }

  /** Reads a window; the next video of the epoch stands in for one that cannot be read. */
  async #read(number: number): Promise<RgbClip> {
    for (let passed = 0; passed < this.#videos.length; passed++) {
      const { video, place } = this.#drawOf(number, passed);
      const path = this.#videos[video]!;
      if (this.#failed.has(path)) continue;
      try {
        const clip = await this.#loader.read({ path, place, frames: this.#frames });
        const problem = this.#problemOf?.(clip, path);
        if (problem === undefined) return clip;
        throw new CoordTokError("input", problem);
      } catch (thrown) {
        if (!isUnreadable(thrown)) throw thrown;
        if (this.#failed.has(path)) continue;
        this.#failed.add(path);
        this.skipped.push({ video: path, reason: thrown.message });
        this.#options.onWarning?.(`Left out: ${thrown.message}`);
      }
    }
    throw new CoordTokError(
      "input",
      `None of the ${this.#videos.length} videos can be read; the first: ${this.skipped[0]!.reason}`,
    );
  }
}

/** The number of windows that are read ahead of a micro-batch. */
export function windowsAhead(batchSize: number): number {
  return Math.max(8, 2 * batchSize);
}

/** Whether an error is about the file that was read, so that a training can go on without it. */
export function isUnreadable(thrown: unknown): thrown is CoordTokError {
  return isCoordTokError(thrown) && !["aborted", "ffmpeg", "memory", "file-write", "file-exists"].includes(thrown.code);
}

/** Waits for a promise, or throws `aborted` once the signal is. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new CoordTokError("aborted", "Stopped on request.", { cause: signal.reason }));
    if (signal.aborted) {
      stop();
      return;
    }
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/**
 * The videos that are not held out, under whatever path or link they are found.
 * @throws CoordTokError `input` when all are held out.
 */
export async function withoutHeldOut(
  videos: readonly string[],
  validation: readonly string[],
  { onNote }: Pick<CommonOptions, "onNote">,
): Promise<readonly string[]> {
  const identity = async (path: string): Promise<string> => {
    const { dev, ino } = await stat(path, { bigint: true }).catch(() => ({ dev: path, ino: "" }));
    return `${dev} ${ino}`;
  };
  const heldOut = new Set(await Promise.all(validation.map(identity)));
  const identities = await Promise.all(videos.map(identity));
  const kept = videos.filter((_, i) => !heldOut.has(identities[i]!));
  const leftOut = videos.filter((_, i) => heldOut.has(identities[i]!));
  if (videos.length > 0 && kept.length === 0)
    throw new CoordTokError(
      "input",
      "All videos are held out, and none is left to train on; hold out fewer or name more.",
      {
        options: { validation: undefined },
      },
    );
  if (leftOut.length > 0) onNote?.(`Held out, so not trained on: ${leftOut.join(", ")}`);
  return kept;
}

/**
 * The videos that decode to their end, where damaged ones are not trained on; every one is decoded once for it. One that cannot be read at
 * all is found when its windows are.
 * @throws CoordTokError `file-format` for the first damaged one, if asked for; `input` when all are damaged; `aborted`, `ffmpeg`.
 */
export async function withoutDamaged(
  videos: readonly string[],
  damaged: DamagedPolicy,
  options: CommonOptions,
): Promise<{ readonly kept: readonly string[]; readonly skipped: readonly SkippedVideo[] }> {
  checkChoice(damaged, "damaged", damagedPolicies);
  if (damaged === "use") return { kept: videos, skipped: [] };
  const { signal, onProgress, onWarning } = options;
  const skipped: SkippedVideo[] = [];
  for (const [done, video] of videos.entries()) {
    throwIfAborted(signal);
    onProgress?.({ task: "look for damage", done, total: videos.length, unit: "videos" });
    const counting = { signal, ...pickOptions(options, ffmpegOptionNames) };
    const damage = await countFrames(video, counting).then(
      (count) => count.damage,
      (thrown: unknown) => {
        if (!isUnreadable(thrown)) throw thrown;
        return undefined;
      },
    );
    if (damage === undefined) continue;
    const reason = `"${video}" is damaged: ${damage}.`;
    if (damaged === "fail") throw new CoordTokError("file-format", reason, { options: { damaged: "use" } });
    skipped.push({ video, reason });
    onWarning?.(`Left out: ${reason}`);
  }
  onProgress?.({ task: "look for damage", done: videos.length, total: videos.length, unit: "videos" });
  const left = new Set(skipped.map(({ video }) => video));
  const kept = videos.filter((video) => !left.has(video));
  if (kept.length > 0) return { kept, skipped };
  throw new CoordTokError(
    "input",
    `None of the ${videos.length} videos is whole; the first: ${skipped[0]?.reason ?? "there is none"}`,
    { options: { damaged: "use" } },
  );
}

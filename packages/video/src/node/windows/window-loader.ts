import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import {
  checkInteger,
  checkNumber,
  checkOptions,
  CoordTokError,
  pickOptions,
  throwIfAborted,
  type OptionNames,
  type RgbClip,
} from "@coordtok/core";
import { startOwnWorker } from "@coordtok/core/node";
import { checkFrameSize } from "../../geometry.js";
import { ffmpegOptionNames, type FfmpegOptions } from "../find-ffmpeg.js";
import { defaultStoreBytes } from "./frame-store.js";
import { WindowReader, type WindowFrames, type WindowReaderOptions, type WindowRequest } from "./window-reader.js";

/** Options of {@link openWindowLoader}. */
export interface WindowLoaderOptions extends FfmpegOptions {
  /** How frames are resized: to a `size`, cropped in the centre, as the papers do, or to a `shortSide`, which enlarges nothing. */
  readonly frames: WindowFrames;
  /** The most frames of a window. */
  readonly longest: number;
  /**
   * The number of threads that read; 0 reads in the calling thread. It does not change what is read (default: one less than the
   * machine has cores, from 1 to 4).
   */
  readonly workers?: number | undefined;
  /** What stored frames may take on disk, in bytes; 0 stores none, so that every window is decoded anew (default 20e9). */
  readonly storeBytes?: number | undefined;
  /** The folder of stored frames (default: `training-frames` in the cache folder). */
  readonly storeFolder?: string | undefined;
}

/** The names of {@link WindowLoaderOptions}. */
export const windowLoaderOptionNames: OptionNames<WindowLoaderOptions> = {
  ...ffmpegOptionNames,
  frames: true,
  longest: true,
  workers: true,
  storeBytes: true,
  storeFolder: true,
};

/** Reads windows of videos, several at a time. Close it when done. */
export interface WindowLoader extends AsyncDisposable {
  /**
   * Reads a window. What it holds depends on the content of the video and on the request alone.
   * @throws CoordTokError as `readFrames`; `aborted` once the loader is closed; `memory` for a video that states no length and can
   * neither be stored nor held in memory.
   */
  read(request: WindowRequest): Promise<RgbClip>;
  /** Stops what is being read and ends the threads. */
  close(): Promise<void>;
}

/** The number of threads that a loader uses by default. */
export function defaultWorkers(): number {
  return Math.max(1, Math.min(4, availableParallelism() - 1));
}

/** What one thread, its ffmpeg and the frames that it works on take in memory, in bytes: measured for films of 1920x1080. */
export const bytesPerWorker = 200e6;

/** What a thread is asked. */
export interface WindowOrder {
  readonly id: number;
  readonly request: WindowRequest;
}

/** What a thread answers. */
export type WindowAnswer =
  | { readonly id: number; readonly clip: RgbClip }
  | { readonly id: number; readonly error: Pick<CoordTokError, "code" | "sentence" | "options" | "details" | "remedy"> }
  | { readonly id: number; readonly bug: unknown };

/**
 * Opens a loader of windows of videos. Short videos are decoded as a whole, long ones in parts, and the resized frames are stored below the cache
 * folder, shared by all processes, so that they are decoded once. When the store is full, those not used for the longest time are removed.
 * @throws CoordTokError `config` for options out of range.
 */
export function openWindowLoader(options: WindowLoaderOptions): WindowLoader {
  checkOptions(options, windowLoaderOptionNames, "openWindowLoader");
  const { frames, longest, storeFolder } = options;
  if ("size" in frames) checkFrameSize(frames.size);
  else checkInteger(frames.shortSide, "shortSide", 1);
  const workers = checkInteger(options.workers ?? defaultWorkers(), "workers", 0);
  const readerOptions: WindowReaderOptions = {
    frames,
    longest: checkInteger(longest, "longest", 1),
    storeBytes: checkNumber(options.storeBytes ?? defaultStoreBytes, "storeBytes", 0),
    storeFolder,
    ffmpeg: pickOptions(options, ffmpegOptionNames),
  };
  return workers === 0 ? new DirectLoader(readerOptions) : new ThreadedLoader(readerOptions, workers);
}

/** Reads in the calling thread, one window after another. */
class DirectLoader implements WindowLoader {
  readonly #reader: WindowReader;
  readonly #stop = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: WindowReaderOptions) {
    this.#reader = new WindowReader(options);
  }

  read(request: WindowRequest): Promise<RgbClip> {
    const { signal } = this.#stop;
    const clip = this.#last.then(() => {
      throwIfAborted(signal);
      return this.#reader.read(request, signal);
    });
    this.#last = clip.catch(() => undefined);
    return clip;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#last;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

interface Waiting {
  readonly request: WindowRequest;
  readonly resolve: (clip: RgbClip) => void;
  readonly reject: (error: unknown) => void;
}

/** How long threads may take to stop before they are ended, in milliseconds. */
const patienceMs = 5000;

/** Reads in threads, each one window after another. */
class ThreadedLoader implements WindowLoader {
  readonly #options: WindowReaderOptions;
  readonly #most: number;
  readonly #queue: Waiting[] = [];
  readonly #threads = new Map<Worker, Map<number, Waiting>>();
  readonly #ends: Promise<void>[] = [];
  #closed = false;
  #next = 0;

  constructor(options: WindowReaderOptions, workers: number) {
    this.#options = options;
    this.#most = workers;
  }

  read(request: WindowRequest): Promise<RgbClip> {
    return new Promise((resolve, reject) => {
      if (this.#closed) reject(closedError());
      else this.#queue.push({ request, resolve, reject });
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const thread = this.#idleThread();
      if (thread === undefined) return;
      const waiting = this.#queue.shift()!;
      const id = this.#next++;
      this.#threads.get(thread)!.set(id, waiting);
      thread.postMessage({ id, request: waiting.request } satisfies WindowOrder);
    }
  }

  #idleThread(): Worker | undefined {
    for (const [thread, orders] of this.#threads) if (orders.size === 0) return thread;
    return this.#threads.size < this.#most ? this.#start() : undefined;
  }

  #start(): Worker {
    const thread = startOwnWorker(import.meta.url, "node/window-worker", { workerData: this.#options });
    const orders = new Map<number, Waiting>();
    this.#threads.set(thread, orders);
    let failure: unknown;
    thread.on("message", (answer: WindowAnswer) => {
      const waiting = orders.get(answer.id)!;
      orders.delete(answer.id);
      if ("clip" in answer) waiting.resolve(answer.clip);
      else waiting.reject("error" in answer ? errorOf(answer.error) : answer.bug);
      this.#dispatch();
    });
    thread.on("error", (error) => (failure = error));
    this.#ends.push(
      new Promise((resolve) => {
        thread.on("exit", () => {
          this.#threads.delete(thread);
          for (const { reject } of orders.values()) reject(this.#closed ? closedError() : endError(failure));
          if (!this.#closed) this.#dispatch();
          resolve();
        });
      }),
    );
    return thread;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#queue.splice(0)) reject(closedError());
    for (const thread of this.#threads.keys()) thread.postMessage("stop");
    const patience = setTimeout(() => {
      for (const thread of this.#threads.keys()) void thread.terminate();
    }, patienceMs);
    await Promise.all(this.#ends);
    clearTimeout(patience);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function errorOf({ code, sentence, ...more }: Extract<WindowAnswer, { error: unknown }>["error"]): CoordTokError {
  return new CoordTokError(code, sentence, more);
}

function closedError(): CoordTokError {
  return new CoordTokError("aborted", "Stopped on request.");
}

function endError(failure: unknown): unknown {
  if ((failure as NodeJS.ErrnoException | undefined)?.code === "ERR_WORKER_OUT_OF_MEMORY")
    return new CoordTokError(
      "memory",
      "A thread that reads videos ran out of memory; use fewer workers or smaller frames.",
      {
        options: { workers: undefined },
      },
    );
  return failure ?? new Error("A thread that reads videos ended.");
}

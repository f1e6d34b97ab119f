import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { isCoordTokError, pickOptions, throwIfAborted, type LongCallOptions, type Notices } from "@coordtok/core";
import { lockShared, readTextIfThere, writeAtomically } from "@coordtok/core/node";
import { countText, parseStoredJson } from "@coordtok/core/text";
import { ffmpegOptionNames, probe, type FfmpegOptions } from "@coordtok/video/node";
import type { ClipChoice } from "./clips-of-video.js";
import type { DatasetVideo } from "./dataset-videos.js";
import { byName, dealVideos, type Deal } from "./deal.js";
import { checkStoredDeal } from "./stored.js";

/** What a deal depends on. */
export interface DealFor {
  /** The folder of the latents, which all parts share. */
  readonly folder: string;
  readonly videos: readonly DatasetVideo[];
  /** The number of parts. */
  readonly of: number;
  readonly choice: ClipChoice;
  /** The model's number of frames. */
  readonly frames: number;
}

type Options = Notices & LongCallOptions & FfmpegOptions;

const format = { kind: "coordtok.deal", version: 1 };
/** Of more videos, those with the most bytes are inspected; the others are taken to be as long for their bytes. */
const mostProbes = 2000;
const mostBytes = 2 ** 28;

/**
 * How videos are dealt to parts. The first part to ask makes the deal, from the durations that the files state, and keeps it beside the latents;
 * the others read it, so all agree even where files have changed.
 * @throws CoordTokError `aborted`, `file-write`, `ffmpeg`.
 */
export async function dealFor(wanted: DealFor, options: Options): Promise<Deal> {
  const { folder, of, choice, frames } = wanted;
  const path = join(folder, `.coordtok.deal-${of}.json`);
  const { start, stride, hop, stretches } = choice;
  const settings = JSON.stringify([frames, start, stride, hop, stretches === Infinity ? null : stretches]);
  await using lock = await lockShared(folder, options.signal);
  const there = await readDeal(path);
  if (there?.of === of && there.settings === settings) return there;
  const videos = [...wanted.videos].sort(byName);
  options.onNote?.(`Dealing ${countText(videos.length, "video")} to ${of} parts by their durations`);
  const lengths = await stretchesOf(videos, wanted, options);
  const weighed = videos.map(({ name }, index) => ({ name, stretches: lengths[index]! }));
  const deal: Deal = { of, settings, boundaries: dealVideos(weighed, of) };
  await lock.check();
  await writeAtomically(path, `${JSON.stringify({ ...format, ...deal })}\n`, { overwrite: true });
  return deal;
}

/** A deal that is damaged is made anew. */
async function readDeal(path: string): Promise<Deal | undefined> {
  try {
    const text = await readTextIfThere(path, { mostBytes });
    return text === undefined ? undefined : checkStoredDeal(parseStoredJson(text), path);
  } catch {
    return undefined;
  }
}

async function stretchesOf(videos: readonly DatasetVideo[], wanted: DealFor, options: Options): Promise<number[]> {
  const bytes = await Promise.all(videos.map(({ path }) => sizeOf(path)));
  const largest = [...videos.keys()].sort((a, b) => bytes[b]! - bytes[a]! || a - b).slice(0, mostProbes);
  const frames = new Map<number, number>();
  const left = [...largest];
  const work = async (): Promise<void> => {
    for (let index = left.shift(); index !== undefined; index = left.shift()) {
      throwIfAborted(options.signal);
      const count = await framesOf(videos[index]!.path, options);
      if (count !== undefined) frames.set(index, count);
      options.onProgress?.({ task: "look at the videos", done: frames.size, total: largest.length, unit: "videos" });
    }
  };
  await Promise.all(Array.from({ length: Math.min(8, availableParallelism()) }, work));
  const rates = [...frames].map(([index, count]) => count / Math.max(1, bytes[index]!)).sort((a, b) => a - b);
  const usual = rates[Math.floor(rates.length / 2)] ?? 0;
  return videos.map((_, index) => countOfStretches(frames.get(index) ?? usual * bytes[index]!, wanted));
}

function countOfStretches(
  frames: number,
  { choice: { start, stride, hop, stretches }, frames: length }: DealFor,
): number {
  const taken = Math.ceil((frames - start) / stride);
  return Math.min(stretches, 1 + Math.max(0, Math.floor((taken - length) / hop)));
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

/** How many frames a file says that it has; nothing for one that does not say it, or cannot be read, which its part finds out. */
async function framesOf(path: string, options: Options): Promise<number | undefined> {
  try {
    const { signal } = options;
    const { frameCount, durationSeconds, fps } = await probe(path, {
      signal,
      ...pickOptions(options, ffmpegOptionNames),
    });
    return frameCount ?? (durationSeconds === undefined ? undefined : durationSeconds * fps);
  } catch (thrown) {
    if (!isCoordTokError(thrown) || ["aborted", "ffmpeg"].includes(thrown.code)) throw thrown;
    return undefined;
  }
}

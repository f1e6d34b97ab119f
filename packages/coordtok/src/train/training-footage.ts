import { isCoordTokError, pickOptions, throwIfAborted, type RgbClip } from "@coordtok/core";
import { countText } from "@coordtok/core/text";
import { fitsWindow, stillPicture, type LatticeTrainSettings, type StillPicture } from "@coordtok/tokenizer/train";
import { ffmpegOptionNames, probe, probeOptionNames, readClip } from "@coordtok/video/node";
import type { CommonOptions } from "../model.js";
import type { SkippedVideo } from "./training-videos.js";

/** Pictures that a lattice training makes windows from, in memory, and the files that gave none. */
export interface Pictures {
  readonly pictures: readonly StillPicture[];
  readonly skipped: readonly SkippedVideo[];
}

/** The longest side of a picture, and its shorter side, in pixels; larger ones are scaled down. */
const pictureSides = { short: 448, long: 900 };
/** Frames leave this much room around the largest window, for crops and zooms. */
const room = 1.5;

type Shapes = Pick<LatticeTrainSettings, "shapes" | "firstShapes">;

/** How the videos of a lattice training are read. */
export interface FootageFrames {
  /** The short side of frames: half as long again as the largest window. Smaller videos stay as they are. */
  readonly shortSide: number;
  /** The frames that a window is drawn from: twice those of the longest one, since it may take every second frame. */
  readonly frames: number;
  /** The clips of the largest batch. */
  readonly clips: number;
  /** Says why a video is of no use to the training, if it is not: when it is smaller or shorter than every window. */
  readonly problemOf: (clip: RgbClip, path: string) => string | undefined;
}

/** The frames of videos that windows of some shapes are drawn from. */
export function footageFrames({ shapes, firstShapes }: Shapes): FootageFrames {
  const all = [...firstShapes, ...shapes];
  const most = (of: (shape: (typeof all)[number]) => number): number => Math.max(...all.map(of));
  return {
    shortSide: Math.ceil(most(({ height, width }) => Math.max(height, width)) * room),
    frames: 2 * most(({ frames }) => frames),
    clips: most(({ clips }) => clips),
    problemOf: (clip, path) => {
      if (all.some((shape) => fitsWindow(clip, shape))) return undefined;
      const [height, width, frames] = (["height", "width", "frames"] as const).map((name) =>
        Math.min(...all.map((shape) => shape[name])),
      );
      return `"${path}" has ${countText(clip.frameCount, "frame")} of ${clip.width}x${clip.height}, too few or too small for every window of the training; the smallest has ${frames!} of ${width!}x${height!}.`;
    },
  };
}

/**
 * Reads pictures for a lattice training. What cannot be read is skipped and listed.
 * @throws CoordTokError `ffmpeg`, `aborted`.
 */
export async function readPictures(pictures: readonly string[], options: CommonOptions): Promise<Pictures> {
  const { kept, skipped } = await readAll(pictures, "read pictures", options, (path) =>
    readScaled(path, pictureSides, options),
  );
  return { pictures: kept.map(({ item }) => stillPicture(firstFrame(item))), skipped };
}

async function readScaled(
  path: string,
  { short, long }: typeof pictureSides,
  options: CommonOptions,
): Promise<RgbClip> {
  const { signal } = options;
  const info = await probe(path, { ...pickOptions(options, probeOptionNames), signal });
  const ratio = Math.min(1, short / Math.min(info.height, info.width), long / Math.max(info.height, info.width));
  const size = {
    height: Math.max(2, Math.round(info.height * ratio)),
    width: Math.max(2, Math.round(info.width * ratio)),
  };
  const read = { ...pickOptions(options, ffmpegOptionNames), signal, info, size, length: 1 };
  return (await readClip(path, { ...read, resize: "fast" })).clip;
}

async function readAll<T>(
  paths: readonly string[],
  task: string,
  { signal, onProgress, onWarning }: CommonOptions,
  read: (path: string) => Promise<T>,
): Promise<{ kept: { path: string; item: T }[]; skipped: { video: string; reason: string }[] }> {
  const kept: { path: string; item: T }[] = [];
  const skipped: { video: string; reason: string }[] = [];
  for (const [index, path] of paths.entries()) {
    throwIfAborted(signal);
    onProgress?.({ task, done: index, total: paths.length, unit: "files" });
    try {
      kept.push({ path, item: await read(path) });
    } catch (thrown) {
      if (!isCoordTokError(thrown) || thrown.code === "aborted" || thrown.code === "ffmpeg") throw thrown;
      skipped.push({ video: path, reason: thrown.message });
      onWarning?.(`Left out: ${thrown.message}`);
    }
  }
  if (paths.length > 0) onProgress?.({ task, done: paths.length, total: paths.length, unit: "files" });
  return { kept, skipped };
}

function firstFrame({ data, height, width }: RgbClip): { data: Uint8Array; height: number; width: number } {
  return { data: data.subarray(0, height * width * 3), height, width };
}

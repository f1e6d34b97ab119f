import { CoordTokError, isCoordTokError, pickOptions, throwIfAborted, type RgbClip } from "@coordtok/core";
import { bytesText, countText } from "@coordtok/core/text";
import type { FrameSize } from "@coordtok/tokenizer/lattice";
import { stillPicture, type LatticeTrainSettings, type StillPicture } from "@coordtok/tokenizer/train";
import { ffmpegOptionNames, probe, probeOptionNames, readClip } from "@coordtok/video/node";
import type { CommonOptions } from "../model.js";

/** What a lattice training draws its windows from, in memory, and the files that gave nothing. */
export interface Footage {
  readonly clips: readonly RgbClip[];
  /** The paths of the videos that the clips came from, in the same order. */
  readonly videos: readonly string[];
  readonly pictures: readonly StillPicture[];
  readonly skipped: readonly { readonly video: string; readonly reason: string }[];
}

/** The memory that all clips together may take, in bytes. */
const mostBytes = 3e9;
/** The longest side of a picture, and its shorter side, in pixels; larger ones are scaled down. */
const pictureSides = { short: 448, long: 900 };
/** Frames leave this much room around the largest window, for crops and zooms. */
const room = 1.5;

/**
 * Reads videos and pictures for a lattice training. Frames are scaled down so that their shorter side is half as long again as the
 * largest window; of long videos the first frames are taken, so that all fit into memory. What cannot be read, or is smaller than every
 * window, is skipped and listed.
 * @throws CoordTokError `input` when nothing is left, `ffmpeg`, `aborted`.
 */
export async function readFootage(
  videos: readonly string[],
  pictures: readonly string[],
  { shapes, firstShapes }: Pick<LatticeTrainSettings, "shapes" | "firstShapes">,
  options: CommonOptions,
): Promise<Footage> {
  const windows: readonly FrameSize[] = [...firstShapes, ...shapes];
  const side = Math.max(...windows.flatMap(({ height, width }) => [height, width]));
  const least = {
    height: Math.min(...windows.map(({ height }) => height)),
    width: Math.min(...windows.map(({ width }) => width)),
  };
  const scaled: Scaling = { short: Math.ceil(side * room), long: Infinity, least };
  const perVideo = mostBytes / Math.max(1, videos.length);
  const read = await readAll(videos, "read videos", options, (path) => readScaled(path, scaled, perVideo, options));
  const shortened = read.kept.filter(({ item }) => item.shortened).length;
  if (shortened > 0)
    options.onNote?.(
      `Of ${countText(shortened, "video")} only the first frames are used, so that all fit into ${bytesText(mostBytes)} of memory`,
    );
  const stills = await readAll(pictures, "read pictures", options, (path) =>
    readScaled(path, { ...pictureSides, least: { height: 2, width: 2 } }, Infinity, options),
  );
  const skipped = [...read.skipped, ...stills.skipped];
  if (read.kept.length + stills.kept.length === 0)
    throw new CoordTokError(
      "input",
      `None of the ${countText(videos.length + pictures.length, "file")} can be used; the first: ${skipped[0]!.reason}`,
    );
  return {
    clips: read.kept.map(({ item }) => item.clip),
    videos: read.kept.map(({ path }) => path),
    pictures: stills.kept.map(({ item: { clip } }) => stillPicture(firstFrame(clip))),
    skipped,
  };
}

/** How frames are scaled: sides are at most `short` and `long`, and at least those of `least`, or the file is of no use. */
interface Scaling {
  readonly short: number;
  readonly long: number;
  readonly least: { readonly height: number; readonly width: number };
}

interface ScaledClip {
  readonly clip: RgbClip;
  /** Whether the file has more frames. */
  readonly shortened: boolean;
}

async function readScaled(
  path: string,
  { short, long, least }: Scaling,
  bytes: number,
  options: CommonOptions,
): Promise<ScaledClip> {
  const { signal } = options;
  const info = await probe(path, { ...pickOptions(options, probeOptionNames), signal });
  if (info.height < least.height || info.width < least.width)
    throw new CoordTokError(
      "input",
      `"${path}" has frames of ${info.width}x${info.height}, smaller than every window of the training, ${least.width}x${least.height}.`,
    );
  const ratio = Math.min(1, short / Math.min(info.height, info.width), long / Math.max(info.height, info.width));
  const size = {
    height: Math.max(least.height, Math.round(info.height * ratio)),
    width: Math.max(least.width, Math.round(info.width * ratio)),
  };
  const length = Math.max(1, Math.floor(bytes / (size.height * size.width * 3)));
  const { clip } = await readClip(path, {
    ...pickOptions(options, ffmpegOptionNames),
    signal,
    info,
    size,
    resize: "fast",
    ...(Number.isFinite(length) ? { length } : {}),
  });
  return { clip, shortened: clip.frameCount === length };
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

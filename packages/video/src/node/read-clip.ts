import { checkOptions, pickOptions, type OptionNames, type RgbClip, type RgbFrame } from "@coordtok/core";
import { checkRate, rgbClipFromFrames } from "../clip.js";
import { checkFrameRange, startTooLate } from "../frame-plan.js";
import { resampleFrames } from "../resample.js";
import type { FrameRange, ResizeMode, VideoInfo } from "../types.js";
import { probe, probeOptionNames } from "./probe.js";
import { decodeFrames, readOptionNames, type ReadOptions } from "./read-frames.js";

/** A clip from a file, with facts and warnings. */
export interface ReadClip {
  /** The frames read, at most as many as requested. */
  readonly clip: RgbClip;
  /** The number of requested frames that are missing at the end, which `clipFromFrames` pads; 0 if no `length` was given. */
  readonly padding: number;
  /** The time of each frame in seconds. */
  readonly timestampsSeconds: readonly number[];
  /** Facts about the file. */
  readonly info: VideoInfo;
  /** How the frames were resized; reports should name it. */
  readonly resize: ResizeMode;
  /** All warnings for the user, one sentence each, without the path. */
  readonly warnings: readonly string[];
}

/** Options of {@link readClip}. */
export interface ReadClipOptions extends FrameRange, ReadOptions {
  /**
   * Resamples to this constant rate, 0.001 to 1000000 frames per second (default: the frames of the file at their times): at each time, from
   * that of the first frame on, the frame that is shown then. `start`, `stride` and `length` then count resampled frames.
   */
  readonly fps?: number | undefined;
}

const readClipOptionNames: OptionNames<ReadClipOptions> = {
  ...readOptionNames,
  start: true,
  stride: true,
  length: true,
  fps: true,
};

/**
 * Reads a clip as bytes: `length` frames from `start` on, every `stride`-th, at the requested size. It counts the frames by decoding them and
 * does not rely on the header.
 * @param options the range of frames (default: the whole file), at which rate, and how to read them.
 * @throws CoordTokError as `readFrames`.
 */
export async function readClip(path: string, options: ReadClipOptions = {}): Promise<ReadClip> {
  checkOptions(options, readClipOptionNames, "readClip");
  const { length, start, stride, size, fps } = options;
  if (fps !== undefined) checkRate(fps);
  const warnings: string[] = [];
  const warn = (warning: string): void => {
    warnings.push(warning);
    options.onWarning?.(warning);
  };
  const info =
    options.info ?? (await probe(path, { ...pickOptions(options, probeOptionNames), pixels: options.pixels }));
  if (options.info) warnings.push(...info.warnings);
  else info.warnings.forEach(warn);
  const timestampsSeconds: number[] = [];
  const reading = { ...pickOptions(options, readOptionNames), info, onWarning: warn };
  const frames =
    fps === undefined
      ? decodeFrames(path, { length, start, stride }, reading)
      : resampled(path, fps, { length, start, stride }, reading);
  const clip = await rgbClipFromFrames(noting(frames, timestampsSeconds));
  const padding = length === undefined ? 0 : length - clip.frameCount;
  if (padding > 0) warn(`only ${clip.frameCount} of ${length} requested frames; the other ${padding} are padding`);
  return { clip, padding, timestampsSeconds, info, resize: size ? (options.resize ?? "exact") : "none", warnings };
}

async function* resampled(
  path: string,
  fps: number,
  range: FrameRange,
  options: ReadOptions & { readonly info: VideoInfo },
): AsyncGenerator<RgbFrame, void, undefined> {
  const { start, stride, length } = checkFrameRange(range);
  let index = 0;
  for await (const frame of resampleFrames(decodeFrames(path, {}, options), fps, 1 / options.info.averageFps)) {
    const place = index++ - start;
    if (place < 0 || place % stride !== 0) continue;
    yield frame;
    if (place / stride + 1 >= length) return;
  }
  if (index <= start) throw startTooLate(path, index, start);
}

async function* noting(frames: AsyncIterable<RgbFrame>, times: number[]): AsyncGenerator<RgbFrame, void, undefined> {
  for await (const frame of frames) {
    times.push(frame.timestampSeconds);
    yield frame;
  }
}

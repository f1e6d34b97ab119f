import { checkOptions, pickOptions, type OptionNames, type RgbClip, type RgbFrame } from "@coordtok/core";
import { rgbClipFromFrames } from "../clip.js";
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

const readClipOptionNames: OptionNames<FrameRange & ReadOptions> = {
  ...readOptionNames,
  start: true,
  stride: true,
  length: true,
};

/**
 * Reads a clip as bytes: `length` frames from `start` on, every `stride`-th, at the requested size. It counts the frames by decoding them and
 * does not rely on the header.
 * @param options the range of frames (default: the whole file), and how to read them.
 * @throws CoordTokError as `readFrames`.
 */
export async function readClip(path: string, options: FrameRange & ReadOptions = {}): Promise<ReadClip> {
  checkOptions(options, readClipOptionNames, "readClip");
  const { length, start, stride, size } = options;
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
  const clip = await rgbClipFromFrames(
    noting(decodeFrames(path, { length, start, stride }, { ...options, info, onWarning: warn }), timestampsSeconds),
  );
  const padding = length === undefined ? 0 : length - clip.frameCount;
  if (padding > 0) warn(`only ${clip.frameCount} of ${length} requested frames; the other ${padding} are padding`);
  return { clip, padding, timestampsSeconds, info, resize: size ? (options.resize ?? "exact") : "none", warnings };
}

async function* noting(frames: AsyncIterable<RgbFrame>, times: number[]): AsyncGenerator<RgbFrame, void, undefined> {
  for await (const frame of frames) {
    times.push(frame.timestampSeconds);
    yield frame;
  }
}

import { checkOptions, pickOptions, type OptionNames, type RgbClip, type RgbFrame } from "@coordtok/core";
import { rgbClipFromFrames } from "../clip.js";
import type { FrameRange, ResizeMode, VideoInfo } from "../types.js";
import { probe, probeOptionNames } from "./probe.js";
import { decodeFrames, readOptionNames, type ReadOptions } from "./read-frames.js";

/** A clip from a file and what is to be said about it. */
export interface ReadClip {
  /** The frames that the file has, at most as many as asked for. */
  readonly clip: RgbClip;
  /** How many of the frames asked for are missing at the end; `clipFromFrames` fills them up. 0 when no `length` was given. */
  readonly padding: number;
  /** When each frame is shown, in seconds. */
  readonly timestampsSeconds: readonly number[];
  /** Facts about the file. */
  readonly info: VideoInfo;
  /** How the frames got their size; reports name it. */
  readonly resize: ResizeMode;
  /** All that is to be told to the user, one sentence each, without the path. */
  readonly warnings: readonly string[];
}

const readClipOptionNames: OptionNames<FrameRange & ReadOptions> = {
  ...readOptionNames,
  start: true,
  stride: true,
  length: true,
};

/**
 * Reads a clip as bytes: `length` frames from `start` on, every `stride`-th, at the size asked for. It asks the file, not its header, how
 * many frames there are.
 * @param options a range of frames (default: the whole file) and how to read them.
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
  const info = options.info ?? (await probe(path, pickOptions(options, probeOptionNames)));
  if (options.info) warnings.push(...info.warnings);
  else info.warnings.forEach(warn);
  const timestampsSeconds: number[] = [];
  const clip = await rgbClipFromFrames(
    noting(decodeFrames(path, { length, start, stride }, { ...options, info, onWarning: warn }), timestampsSeconds),
  );
  const padding = length === undefined ? 0 : length - clip.frameCount;
  if (padding > 0) warn(`${clip.frameCount} of the ${length} frames asked for; the other ${padding} are padding`);
  return { clip, padding, timestampsSeconds, info, resize: size ? (options.resize ?? "exact") : "none", warnings };
}

async function* noting(frames: AsyncIterable<RgbFrame>, times: number[]): AsyncGenerator<RgbFrame, void, undefined> {
  for await (const frame of frames) {
    times.push(frame.timestampSeconds);
    yield frame;
  }
}

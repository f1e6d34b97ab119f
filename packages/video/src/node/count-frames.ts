import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { checkOptions, pickOptions, type LongCallOptions, type OptionNames } from "@coordtok/core";
import { fileReadError } from "@coordtok/core/node";
import { ffmpegOptionNames, type FfmpegOptions } from "./find-ffmpeg.js";
import { probe } from "./probe.js";
import { readFrames } from "./read-frames.js";

/** Options of {@link countFrames}. */
export interface CountOptions extends FfmpegOptions, Pick<LongCallOptions, "signal"> {}

const countOptionNames: OptionNames<CountOptions> = { ...ffmpegOptionNames, signal: true };

/** What decoding all of a video shows. */
export interface FrameCount {
  /** Number of frames that decode, at least 1. */
  readonly frames: number;
  /** What is damaged, a sentence without the path; absent when all of the file decodes. */
  readonly damage?: string | undefined;
}

/** Frames are made this small on the way, since their pixels do not matter. */
const size = { width: 16, height: 16 } as const;
const mostKept = 100_000;
/** By path, size and time of change. */
const counted = new Map<string, FrameCount>();

/**
 * Counts the frames of a video by decoding all of it, once for each file of a process: headers count frames that do not decode or are not shown.
 * @throws CoordTokError like `readFrames`.
 */
export async function countFrames(path: string, options: CountOptions = {}): Promise<FrameCount> {
  checkOptions(options, countOptionNames, "countFrames");
  const { size: bytes, mtimeMs } = await stat(path).catch((thrown: unknown) => {
    throw fileReadError(thrown, path);
  });
  const key = JSON.stringify([resolve(path), bytes, mtimeMs]);
  const known = counted.get(key);
  if (known) return known;
  const reading = { signal: options.signal, ...pickOptions(options, ffmpegOptionNames) };
  const info = await probe(path, reading);
  let damage: string | undefined;
  let frames = 0;
  const onDamage = (what: string): void => void (damage = what);
  for await (const { data } of readFrames(path, {}, { ...reading, info, size, resize: "fast", onDamage }))
    if (data.length > 0) frames++;
  const count = { frames, ...(damage === undefined ? {} : { damage }) };
  if (counted.size >= mostKept) counted.clear();
  counted.set(key, count);
  return count;
}

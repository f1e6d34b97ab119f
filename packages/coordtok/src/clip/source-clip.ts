import {
  CoordTokError,
  longCallOptionNames,
  pickOptions,
  type LongCallOptions,
  type OptionNames,
  type RgbClip,
} from "@coordtok/core";
import type { FrameSize } from "@coordtok/tokenizer/lattice";
import { ffmpegOptionNames, readClip, type FfmpegOptions } from "@coordtok/video/node";
import { basename } from "node:path";
import type { TriplaneSource } from "@coordtok/triplane";

/** The part of a video to take. */
export interface WindowOptions {
  /** Index of the first frame, from 0 (default 0). */
  readonly start?: number | undefined;
  /** Distance between frames (default 1: every frame). */
  readonly stride?: number | undefined;
  /** Number of frames. The paper's form takes 1 to the model's number, which is the default; the lattice form takes any. */
  readonly length?: number | undefined;
}

/** The names of {@link WindowOptions}. */
export const windowOptionNames: OptionNames<WindowOptions> = { start: true, stride: true, length: true };

/** The frames of a video that are passed to a model. */
export interface SourceClip {
  /** The frames, resized and cropped to the model's size as in the papers. */
  readonly clip: RgbClip;
  readonly source: TriplaneSource;
  /** Warnings about the video, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Reads frames for a tokenizer that takes any length.
 * @param size the size that the frames are resized to, and their number when the options give no `length`.
 * @throws CoordTokError like `readClip`, and `memory` for more than 1 GiB of pixels.
 */
export async function readAnyLength(
  path: string,
  size: FrameSize,
  options: WindowOptions & LongCallOptions & FfmpegOptions = {},
): Promise<SourceClip> {
  const frames = options.length ?? size.frames;
  const most = Math.floor(2 ** 30 / (size.height * size.width * 3));
  if (frames > most)
    throw new CoordTokError(
      "memory",
      `${frames} frames of ${size.width}x${size.height} are too many to hold in memory at once; take at most ${most} frames, or smaller ones.`,
      { options: { length: undefined } },
    );
  return readFrames(path, { ...size, frames }, options, {
    few: (count) =>
      options.length === undefined ? undefined : `it has only ${count} of the ${frames} frames asked for`,
    many: `it is longer than ${frames} frames`,
    rest: "set length to take more, start to take others",
  });
}

/** The sentences of the notes about the number of frames. */
interface LengthNotes {
  /** Says that there are fewer frames. */
  readonly few: (count: number) => string | undefined;
  /** Says that there are more frames. */
  readonly many: string;
  /** Says how to get those. */
  readonly rest: string;
}

async function readFrames(
  path: string,
  size: FrameSize,
  options: WindowOptions & LongCallOptions & FfmpegOptions,
  { few, many, rest }: LengthNotes,
): Promise<SourceClip> {
  const { start = 0, stride = 1 } = options;
  const length = size.frames;
  const { clip, info, padding, resize, warnings } = await readClip(path, {
    ...pickOptions(options, ffmpegOptionNames),
    ...pickOptions(options, longCallOptionNames),
    start,
    stride,
    length,
    size,
  });
  const notes = warnings.filter((warning) => padding === 0 || !warning.includes("are padding"));
  const shortNote = padding > 0 ? few(clip.frameCount) : undefined;
  if (shortNote !== undefined) notes.push(shortNote);
  const available = info.frameCount === undefined ? undefined : Math.ceil((info.frameCount - start) / stride);
  if (options.length === undefined && available !== undefined && available > length)
    notes.push(
      `${many}: frames ${start} to ${start + (length - 1) * stride} of ${info.frameCount!} are taken; ${rest}`,
    );
  const source = {
    name: basename(path),
    width: info.width,
    height: info.height,
    fps: info.averageFps / stride,
    frames: clip.frameCount,
    start,
    stride,
    resize,
  };
  return { clip, source, warnings: notes.map((note) => `${path}: ${note}.`) };
}

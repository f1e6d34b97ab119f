import { CoordTokError, type LongCallOptions, type RgbClip } from "@coordtok/core";
import type { TokenizerConfig } from "@coordtok/tokenizer";
import { readClip, type FfmpegOptions } from "@coordtok/video/node";
import { basename } from "node:path";
import type { TriplaneSource } from "@coordtok/triplane";

/** Which part of a video is taken. */
export interface WindowOptions {
  /** Index of the first frame, from 0 (default 0). */
  readonly start?: number | undefined;
  /** Distance between frames (default 1: every frame). */
  readonly stride?: number | undefined;
  /** How many frames, 1 to the model's (default: as many as the model takes). */
  readonly length?: number | undefined;
}

/** The frames of a video that a model is given. */
export interface SourceClip {
  /** The frames, resized and cropped to the model's size as the papers do. */
  readonly clip: RgbClip;
  readonly source: TriplaneSource;
  /** What is to be said about the video, one sentence each. */
  readonly warnings: readonly string[];
}

/** Reads the window of a video that a model takes. @throws CoordTokError as `readClip`, and `config` for a length beyond the model's. */
export async function readSourceClip(
  path: string,
  { clip: size }: Pick<TokenizerConfig, "clip">,
  options: WindowOptions & LongCallOptions & FfmpegOptions = {},
): Promise<SourceClip> {
  const { start = 0, stride = 1, length = size.frames } = options;
  if (length > size.frames)
    throw new CoordTokError("config", `Expected a length of at most the model's ${size.frames} frames, got ${length}.`);
  const { clip, info, padding, resize, warnings } = await readClip(path, { ...options, start, stride, length, size });
  const notes = warnings.filter((warning) => padding === 0 || !warning.includes("are padding"));
  if (padding > 0)
    notes.push(
      `it gives ${clip.frameCount} of the ${length} frames that the model takes; the others are treated as missing`,
    );
  const available = info.frameCount === undefined ? undefined : Math.ceil((info.frameCount - start) / stride);
  if (options.length === undefined && available !== undefined && available > length)
    notes.push(
      `it is longer than the model's ${length} frames: frames ${start} to ${start + (length - 1) * stride} of ${info.frameCount!} are taken; set start to take others`,
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

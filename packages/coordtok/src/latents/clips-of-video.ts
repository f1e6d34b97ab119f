import {
  CoordTokError,
  isCoordTokError,
  pickOptions,
  type LongCallOptions,
  type Rectangle,
  type RgbClip,
  type RgbFrame,
} from "@coordtok/core";
import { wholeVideo } from "./finished-videos.js";
import type { Stretches } from "./shard.js";
import type { ClipSize } from "@coordtok/tokenizer";
import { centreCrop, resizeSize, type FrameSize, type VideoInfo } from "@coordtok/video";
import { probe, probeOptionNames, readFrames, type FfmpegOptions } from "@coordtok/video/node";

/** The choice of clips from each video. */
export interface ClipChoice {
  /** Index of the first frame, from 0. */
  readonly start: number;
  /** Distance between frames; 1 takes every frame. */
  readonly stride: number;
  /** Number of taken frames between the starts of consecutive clips; with the model's length they do not overlap. */
  readonly hop: number;
  /** The largest number of stretches per video; infinite for all. */
  readonly stretches: number;
  /** Number of crops along the longer side, evenly spread from end to end; 1 takes the centre. */
  readonly crops: number;
  /** Whether to also take each clip mirrored left to right. */
  readonly flip: boolean;
  /** How to treat a video that is shorter than the model's clips. */
  readonly short: "skip" | "pad";
}

/** The part of a video that a clip is. */
export interface ClipPlace {
  /** Index of its first frame in the video. */
  readonly start: number;
  /** The index of its crop, from 0 at the top or left; 0 when there is only one. */
  readonly crop: number;
  /** Whether it is mirrored left to right. */
  readonly flipped: boolean;
  /** Number of its real frames. */
  readonly frames: number;
}

/** A clip from a video. `read` cuts it out; clips that are never read cost no copy. */
export interface PlacedClip extends ClipPlace {
  readonly read: () => RgbClip;
}

/** How {@link clipsOfVideo} reads, and who receives its remarks about the video. */
export interface ClipsOfVideoOptions extends Pick<LongCallOptions, "signal">, FfmpegOptions {
  readonly onWarning?: ((warning: string) => void) | undefined;
  /** Told what is damaged, instead of `onWarning`, when all of the clips have been read. */
  readonly onDamage?: ((damage: string) => void) | undefined;
  /** The stretches to take (default: all). There are none behind the end of the video. */
  readonly stretches?: Stretches | undefined;
}

/**
 * Yields the clips of a video: stretches of the model's length, each with its crops, each as it is and mirrored. Frames are resized
 * as in the papers and read once, in order; memory holds one stretch, however long the video is.
 * @throws CoordTokError like `readFrames`; `input` for a video that is too short, unless such videos are padded.
 */
export async function* clipsOfVideo(
  path: string,
  model: ClipSize,
  choice: ClipChoice,
  options: ClipsOfVideoOptions = {},
): AsyncGenerator<PlacedClip, void, undefined> {
  const { from } = options.stretches ?? wholeVideo;
  const info = await probe(path, pickOptions(options, probeOptionNames));
  for (const warning of info.warnings) options.onWarning?.(warning);
  const covering = resizeSize(info, model);
  const crops = cropRectangles(covering, model, choice.crops);
  for await (const { first, frames } of stretchesOf(path, info, covering, model, choice, options)) {
    if (frames.length < model.frames && choice.short === "skip")
      throw new CoordTokError(
        "input",
        `"${path}" has ${frames.length} frames to take, fewer than the model's ${model.frames}.`,
      );
    const start = choice.start + (from * choice.hop + first) * choice.stride;
    for (const [crop, window] of crops.entries())
      for (const flipped of choice.flip ? [false, true] : [false])
        yield { start, crop, flipped, frames: frames.length, read: () => cutClip(frames, window, flipped) };
  }
}

interface Stretch {
  /** The index of its first frame among those taken. */
  readonly first: number;
  readonly frames: readonly RgbFrame[];
}

/** Yields stretches of the model's length; a shorter one only if there is no other. */
async function* stretchesOf(
  path: string,
  info: VideoInfo,
  size: FrameSize,
  { frames: length }: ClipSize,
  choice: ClipChoice,
  options: ClipsOfVideoOptions,
): AsyncGenerator<Stretch, void, undefined> {
  const { stride, hop } = choice;
  const { stretches: { from, to } = wholeVideo, ...reading } = options;
  const count = Math.min(to, choice.stretches) - from;
  if (count <= 0) return;
  const wanted = count === Infinity ? {} : { length: length + (count - 1) * hop };
  const start = choice.start + from * hop * stride;
  let first = 0;
  let taken = 0;
  let kept: RgbFrame[] = [];
  try {
    for await (const frame of readFrames(path, { start, stride, ...wanted }, { ...reading, info, size })) {
      // With a hop beyond the length, frames between two stretches belong to neither.
      if (taken++ >= first) kept.push(frame);
      if (kept.length < length) continue;
      yield { first, frames: kept };
      first += hop;
      kept = kept.slice(hop);
    }
  } catch (thrown) {
    // The video ends before these stretches, which its header promises.
    if (from > 0 && taken === 0 && isCoordTokError(thrown) && thrown.code === "input") return;
    throw thrown;
  }
  if (first === 0 && from === 0) yield { first, frames: kept };
}

/** The `count` windows of the target's size, evenly spread along the side that is longer than the target's; coinciding ones once. */
function cropRectangles(covering: FrameSize, target: FrameSize, asked: number): Rectangle[] {
  // There are no more different ones than this.
  const count = Math.min(asked, Math.max(covering.height - target.height, covering.width - target.width) + 1);
  const middle = centreCrop(covering, target);
  if (count === 1) return [middle];
  const spread = (free: number, index: number): number => Math.round((free * index) / (count - 1));
  const windows = Array.from({ length: count }, (_, index) => ({
    ...middle,
    top: spread(covering.height - target.height, index),
    left: spread(covering.width - target.width, index),
  }));
  return windows.filter(({ top, left }, index) => {
    const before = windows[index - 1];
    return before?.top !== top || before.left !== left;
  });
}

function cutClip(frames: readonly RgbFrame[], window: Rectangle, flipped: boolean): RgbClip {
  const { top, left, height, width } = window;
  const data = new Uint8Array(frames.length * height * width * 3);
  let at = 0;
  for (const frame of frames)
    for (let row = top; row < top + height; row++) {
      const begin = (row * frame.width + left) * 3;
      const pixels = frame.data.subarray(begin, begin + width * 3);
      if (flipped) setMirrored(data, at, pixels);
      else data.set(pixels, at);
      at += pixels.length;
    }
  return { data, frameCount: frames.length, height, width };
}

function setMirrored(data: Uint8Array, at: number, pixels: Uint8Array): void {
  for (let i = 0; i < pixels.length; i += 3)
    for (let channel = 0; channel < 3; channel++) data[at + i + channel] = pixels[pixels.length - 3 - i + channel]!;
}

import { CoordTokError, checkInteger } from "@coordtok/core";
import type { FramePlan, FrameRange, VideoInfo } from "./types.js";

/**
 * Chooses `length` frames of a file and says how many of them it does not have.
 * Without a frame count in the file all are expected to be there; what turns out to be missing shows when they are read.
 * @param info facts about the file, from `probe`.
 * @param range which frames; `length` is required, `start` and `stride` default to 0 and 1.
 * @throws CoordTokError `config` for numbers out of range, `input` when `start` lies behind the last frame.
 */
export function planFrames(
  info: Pick<VideoInfo, "frameCount" | "path">,
  range: FrameRange & { readonly length: number },
): FramePlan {
  const { length, start, stride } = checkFrameRange(range);
  const available = info.frameCount === undefined ? length : Math.ceil((info.frameCount - start) / stride);
  if (available < 1) throw startTooLate(info.path, info.frameCount ?? 0, start);
  const count = Math.min(length, available);
  return {
    indices: Array.from({ length: count }, (_, index) => start + index * stride),
    padding: length - count,
  };
}

/** A range with its defaults filled in; `length` is infinite where all frames are wanted. @throws CoordTokError `config`. */
export function checkFrameRange(range: FrameRange): { length: number; start: number; stride: number } {
  return {
    length: range.length === undefined ? Infinity : checkInteger(range.length, "length", 1),
    start: checkInteger(range.start ?? 0, "start", 0),
    stride: checkInteger(range.stride ?? 1, "stride", 1),
  };
}

/** The error for a start behind the last frame. */
export function startTooLate(path: string, frameCount: number, start: number): CoordTokError {
  return new CoordTokError(
    "input",
    `Expected a start below the ${frameCount} frames of "${path}", got ${start}; frames count from 0.`,
  );
}

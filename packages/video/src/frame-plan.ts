import { CoordTokError, checkInteger } from "@coordtok/core";
import type { FramePlan, FrameRange, VideoInfo } from "./types.js";

/**
 * Chooses `length` frames of a file and counts how many of them the file lacks.
 * If the file states no frame count, the plan assumes that all exist; reading shows what is missing.
 * @param info facts about the file, from `probe`.
 * @param range the range of frames; `length` is required, `start` and `stride` default to 0 and 1.
 * @throws CoordTokError `config` for numbers out of range, `input` if `start` is beyond the last frame.
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

/**
 * Checks a range and fills in its defaults; `length` is infinite if all frames are wanted.
 * @throws CoordTokError `config`.
 */
export function checkFrameRange(range: FrameRange): { length: number; start: number; stride: number } {
  return {
    length: range.length === undefined ? Infinity : checkInteger(range.length, "length", 1),
    start: checkInteger(range.start ?? 0, "start", 0),
    stride: checkInteger(range.stride ?? 1, "stride", 1),
  };
}

/** The error for a start beyond the last frame. */
export function startTooLate(path: string, frameCount: number, start: number): CoordTokError {
  return new CoordTokError(
    "input",
    `Expected a start below the ${frameCount} frames of "${path}", got ${start}; frames count from 0.`,
  );
}

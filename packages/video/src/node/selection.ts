import { CoordTokError } from "@coordtok/core";
import { checkFrameRange } from "../frame-plan.js";
import type { FramePlan, FrameRange } from "../types.js";

/** Which frames ffmpeg hands over and which of those are wanted. */
export interface Selection {
  /** Index of the first frame handed over. */
  readonly first: number;
  /** Distance between frames handed over. */
  readonly stride: number;
  /** How many frames are handed over; infinite for all up to the end. */
  readonly handedOver: number;
  /** How many frames are wanted; infinite for all up to the end. */
  readonly wanted: number;
  /** Whether a frame of the file is wanted. */
  readonly includes: (index: number) => boolean;
}

/**
 * The selection for a plan or a range. A plan with steps of different sizes is read frame by frame from its first to its last index.
 * @throws CoordTokError `config`, `input` for a plan that is empty or does not rise.
 */
export function selectFrames(wanted: FramePlan | FrameRange): Selection {
  if (!("indices" in wanted)) {
    const { start, stride, length } = checkFrameRange(wanted);
    return evenSelection(start, stride, length);
  }
  const { indices } = wanted;
  checkIndices(indices);
  const first = indices[0]!;
  const stride = indices.length > 1 ? indices[1]! - first : 1;
  if (indices.every((index, at) => index === first + at * stride)) return evenSelection(first, stride, indices.length);
  const set = new Set(indices);
  const handedOver = indices[indices.length - 1]! - first + 1;
  return { first, stride: 1, handedOver, wanted: indices.length, includes: (index) => set.has(index) };
}

function evenSelection(first: number, stride: number, length: number): Selection {
  const end = first + length * stride;
  return {
    first,
    stride,
    handedOver: length,
    wanted: length,
    includes: (index) => index >= first && index < end && (index - first) % stride === 0,
  };
}

function checkIndices(indices: readonly number[]): void {
  if (indices.length === 0) throw new CoordTokError("input", "Expected a plan with at least one frame, got none.");
  indices.forEach((index, at) => {
    if (!Number.isSafeInteger(index) || index < 0 || (at > 0 && index <= indices[at - 1]!))
      throw new CoordTokError("input", `Expected frame indices that rise from 0 on, got ${index} at place ${at}.`);
  });
}

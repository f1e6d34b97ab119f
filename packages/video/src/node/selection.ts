import { CoordTokError } from "@coordtok/core";
import { checkFrameRange } from "../frame-plan.js";
import type { FramePlan, FrameRange } from "../types.js";

/** The frames that ffmpeg outputs, and those of them that are wanted. */
export interface Selection {
  /** The index of the first frame that ffmpeg outputs. */
  readonly first: number;
  /** The distance between frames that ffmpeg outputs. */
  readonly stride: number;
  /** The number of frames that ffmpeg outputs; infinite for all up to the end. */
  readonly handedOver: number;
  /** The number of frames wanted; infinite for all up to the end. */
  readonly wanted: number;
  /** Tells whether the frame with an index is wanted. */
  readonly includes: (index: number) => boolean;
}

/**
 * Makes the selection for a plan or a range. For a plan with uneven steps, ffmpeg outputs every frame from the first to the last index.
 * @throws CoordTokError `config` for a range out of bounds, `input` for a plan that is empty or not ascending.
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
      throw new CoordTokError(
        "input",
        `Expected ascending frame indices of at least 0, got ${index} at position ${at}.`,
      );
  });
}

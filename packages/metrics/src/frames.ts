import { checkRgbClip, CoordTokError, type RgbClip, type RgbFrame } from "@coordtok/core";
import { tensor, type Tensor4D } from "@tensorflow/tfjs-core";

/** Frames as bytes: a clip in memory, or a stream that is read once and never held in memory as a whole. */
export type FrameSource = RgbClip | Iterable<RgbFrame> | AsyncIterable<RgbFrame>;

/**
 * Yields the frames of a source. The frames of a clip share its memory.
 * @throws CoordTokError `shape` if the size of a frame differs from that of the first, or its bytes do not fit its size.
 */
export async function* framesOf(source: FrameSource): AsyncGenerator<RgbFrame, void> {
  let first: RgbFrame | undefined;
  for await (const frame of "frameCount" in source ? framesOfClip(source) : source) {
    first ??= frame;
    if (frame.width !== first.width || frame.height !== first.height)
      throw new CoordTokError(
        "shape",
        `Expected frames of one size, got ${first.width}x${first.height} and then ${frame.width}x${frame.height}.`,
      );
    checkRgbClip({ ...frame, frameCount: 1 });
    yield frame;
  }
}

function* framesOfClip(clip: RgbClip): Generator<RgbFrame, void> {
  checkRgbClip(clip);
  const { width, height, frameCount } = clip;
  const bytes = width * height * 3;
  for (let t = 0; t < frameCount; t++)
    yield { width, height, data: clip.data.subarray(t * bytes, (t + 1) * bytes), timestampSeconds: t };
}

/**
 * Yields the frames of two sources in pairs.
 * @throws CoordTokError `shape` if their numbers of frames or their sizes differ, `input` for no frames.
 */
export async function* framePairs(
  reference: FrameSource,
  other: FrameSource,
): AsyncGenerator<readonly [reference: RgbFrame, other: RgbFrame], void> {
  const [left, right] = [framesOf(reference), framesOf(other)];
  try {
    for (let count = 0; ; count++) {
      const [a, b] = [await left.next(), await right.next()];
      if (a.done === true && b.done === true) {
        if (count === 0) throw new CoordTokError("input", "Expected at least one frame, got none.");
        return;
      }
      if (a.done === true || b.done === true)
        throw new CoordTokError(
          "shape",
          `Expected the same number of frames in both clips, but the ${a.done === true ? "reference" : "other clip"} ends after ${count}.`,
        );
      const [frame, otherFrame] = [a.value, b.value];
      if (frame.width !== otherFrame.width || frame.height !== otherFrame.height)
        throw new CoordTokError(
          "shape",
          `Expected frames of one size, got ${frame.width}x${frame.height} and ${otherFrame.width}x${otherFrame.height}; resize one of them.`,
        );
      yield [frame, otherFrame];
    }
  } finally {
    await Promise.all([left.return(), right.return()]);
  }
}

/**
 * Converts frames to a tensor `[F, H, W, 3]`.
 * @param frames at least one frame, all of one size.
 * @param valueOfByte the value for each of the 256 bytes.
 */
export function tensorOfFrames(frames: readonly RgbFrame[], valueOfByte: ArrayLike<number>): Tensor4D {
  const { width, height } = frames[0]!;
  const frameValues = width * height * 3;
  const values = new Float32Array(frames.length * frameValues);
  for (const [index, { data }] of frames.entries())
    for (let i = 0; i < frameValues; i++) values[index * frameValues + i] = valueOfByte[data[i]!]!;
  return tensor(values, [frames.length, height, width, 3]);
}

import { slice, tensor, tidy, type Tensor5D } from "@tensorflow/tfjs-core";
import { CoordTokError } from "./errors.js";
import { checkBackend, givenText } from "./given.js";

/** B clips of T frames as a tensor: what the encoder takes and the decoder gives. */
export interface Clip {
  /** float32 `[B, T, H, W, 3]`, RGB in [-1, 1]. */
  readonly frames: Tensor5D;
  /** How many of the T frames of each of the B clips are real, 1 to T; what follows is padding whose values mean nothing. */
  readonly validFrames: readonly number[];
}

/** A rectangle of pixels inside a frame. */
export interface Rectangle {
  /** Its first row, from 0. */
  readonly top: number;
  /** Its first column, from 0. */
  readonly left: number;
  /** Its rows, at least 1. */
  readonly height: number;
  /** Its columns, at least 1. */
  readonly width: number;
}

/** One frame as bytes: RGB, row by row, `height * width * 3` values of 0 to 255. */
export interface RgbFrame {
  /** Columns of pixels. */
  readonly width: number;
  /** Rows of pixels. */
  readonly height: number;
  /** RGB, row by row. */
  readonly data: Uint8Array;
  /** When the frame is shown, in seconds from the start of its file, or of its index at the nominal rate where the file does not say. */
  readonly timestampSeconds: number;
}

/** One clip as bytes, off the tensor library: how clips wait in memory for training. */
export interface RgbClip {
  /** `[frameCount, height, width, 3]` values of 0 to 255. */
  readonly data: Uint8Array;
  /** T, at least 1. */
  readonly frameCount: number;
  /** Rows of pixels. */
  readonly height: number;
  /** Columns of pixels. */
  readonly width: number;
}

/**
 * Bytes to model range as the official data set does it: fp32(u / 255), then twice that minus one in fp32.
 * Source: `docs/spec.md#value-ranges`.
 */
export function modelRangeFromByte(byte: number): number {
  return Math.fround(Math.fround(Math.fround(byte / 255) * 2) - 1);
}

/** `modelRangeFromByte` of all 256 bytes. */
export const modelRangeOfBytes: Float32Array = Float32Array.from({ length: 256 }, (_, byte) =>
  modelRangeFromByte(byte),
);

/**
 * Model range to bytes: clamped to [-1, 1] and rounded to the nearest of 256 levels, the rounding that brings every byte back.
 * (The official sampler truncates, which lowers the values 1 to 63 by one; see `docs/parity.md`.)
 */
export function byteFromModelRange(value: number): number {
  const byte = Math.round((value + 1) * 127.5);
  return byte < 0 ? 0 : byte > 255 ? 255 : byte || 0;
}

/**
 * {@link byteFromModelRange} of many values.
 * @throws CoordTokError `not-finite` for values that are not: they come from damaged weights or planes, and are no picture.
 */
export function bytesFromModelRange(values: Float32Array): Uint8Array {
  // A loop: `Uint8Array.from` takes forty times as long.
  const bytes = new Uint8Array(values.length);
  let zero = 0;
  for (let i = 0; i < bytes.length; i++) {
    const value = values[i]!;
    zero += value * 0;
    bytes[i] = byteFromModelRange(value);
  }
  if (zero === 0) return bytes;
  throw new CoordTokError(
    "not-finite",
    "The decoded frames are not finite: the checkpoint is damaged, or its training has diverged; take another one.",
  );
}

/**
 * A batch of clips of equal size as one tensor.
 * @param clips at least one; all with the same frame size. Shorter ones are filled up to the longest by repeating their last frame.
 * @returns a clip `[B, T, H, W, 3]` in [-1, 1], owned by the caller.
 * @throws CoordTokError `shape` when sizes differ or a clip has no frame, `input` for what is no clip, `backend` when none is loaded.
 */
export function clipFromRgb(clips: readonly RgbClip[]): Clip {
  if (!Array.isArray(clips))
    throw new CoordTokError(
      "input",
      `Expected a list of clips, got ${givenText(clips)}; a single clip goes into brackets.`,
    );
  clips.forEach(checkRgbClip);
  checkBackend();
  const first = clips[0];
  if (!first) throw new CoordTokError("input", "Expected at least one clip, got none.");
  const { height, width } = first;
  const frameCount = Math.max(...clips.map((clip) => clip.frameCount));
  const frameValues = height * width * 3;
  const values = new Float32Array(clips.length * frameCount * frameValues);
  clips.forEach((clip, index) => {
    if (clip.height !== height || clip.width !== width)
      throw new CoordTokError(
        "shape",
        `Expected clips of one size, got ${width}x${height} and ${clip.width}x${clip.height}; resize or crop them alike.`,
      );
    const start = index * frameCount * frameValues;
    for (let i = 0; i < clip.data.length; i++) values[start + i] = modelRangeOfBytes[clip.data[i]!]!;
    const last = start + (clip.frameCount - 1) * frameValues;
    for (let t = clip.frameCount; t < frameCount; t++)
      values.copyWithin(start + t * frameValues, last, last + frameValues);
  });
  return {
    frames: tensor(values, [clips.length, frameCount, height, width, 3], "float32"),
    validFrames: clips.map((clip) => clip.frameCount),
  };
}

/**
 * One clip of a batch as bytes, without its padding.
 * @param index which clip of the batch, 0 to B-1 (default 0).
 * @throws CoordTokError `input` for an index outside the batch, `not-finite` for frames that are not finite.
 */
export async function rgbFromClip(clip: Clip, index = 0): Promise<RgbClip> {
  const [batch, , height, width] = clip.frames.shape;
  const frameCount = clip.validFrames[index];
  if (frameCount === undefined)
    throw new CoordTokError("input", `Expected a clip index of 0 to ${batch - 1}, got ${index}.`);
  const one = tidy(() => slice(clip.frames, [index, 0, 0, 0, 0], [1, frameCount, height, width, 3]));
  try {
    return { data: bytesFromModelRange((await one.data()) as Float32Array), frameCount, height, width };
  } finally {
    one.dispose();
  }
}

/** Throws `shape` unless the byte count of a clip is that of its stated size, `input` for what is no clip. */
export function checkRgbClip(clip: RgbClip): void {
  const { data, ...size } = (clip as Partial<RgbClip> | null | undefined) ?? {};
  if (data === undefined || ![size.frameCount, size.height, size.width].every((side) => typeof side === "number"))
    throw new CoordTokError("input", `Expected a clip { data, frameCount, height, width }, got ${givenText(clip)}.`);
  const expected = clip.frameCount * clip.height * clip.width * 3;
  if (!(clip.frameCount >= 1) || clip.data.length !== expected)
    throw new CoordTokError(
      "shape",
      `Expected ${expected} bytes for ${clip.frameCount} frames of ${clip.width}x${clip.height}, got ${clip.data.length}.`,
    );
}

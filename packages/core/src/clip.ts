import { slice, tensor, tidy, type Tensor5D } from "@tensorflow/tfjs-core";
import { CoordTokError } from "./errors.js";
import { checkBackend, givenText } from "./checks/given.js";

/** A batch of B clips of T frames as a tensor: the input of the encoder and the output of the decoder. */
export interface Clip {
  /** float32 `[B, T, H, W, 3]`, RGB in [-1, 1]. */
  readonly frames: Tensor5D;
  /** The number of real frames of each of the B clips, 1 to T; the remaining frames are padding whose values mean nothing. */
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

/** One frame as bytes: RGB, row by row, `height * width * 3` values from 0 to 255. */
export interface RgbFrame {
  /** Columns of pixels. */
  readonly width: number;
  /** Rows of pixels. */
  readonly height: number;
  /** RGB, row by row. */
  readonly data: Uint8Array;
  /** When the frame is shown, in seconds from the start of its file; its index over the nominal rate if the file does not say. */
  readonly timestampSeconds: number;
}

/** One clip as bytes outside the tensor library, the form in which clips wait in memory for training. */
export interface RgbClip {
  /** `[frameCount, height, width, 3]` values from 0 to 255. */
  readonly data: Uint8Array;
  /** T, at least 1. */
  readonly frameCount: number;
  /** Rows of pixels. */
  readonly height: number;
  /** Columns of pixels. */
  readonly width: number;
}

/**
 * Maps a byte to the model range as the official data set does: `u / 255`, doubled, minus one, each step rounded to float32.
 * Source: `docs/spec.md#value-ranges`.
 */
export function modelRangeFromByte(byte: number): number {
  return Math.fround(Math.fround(Math.fround(byte / 255) * 2) - 1);
}

/** {@link modelRangeFromByte} of all 256 bytes. */
export const modelRangeOfBytes: Float32Array = Float32Array.from({ length: 256 }, (_, byte) =>
  modelRangeFromByte(byte),
);

/**
 * Maps a value of the model range to a byte: clamped to [-1, 1] and rounded to the nearest of 256 levels, so that every byte survives
 * the round trip. (The official sampler truncates, which lowers the values 1 to 63 by one; see `docs/parity.md`.)
 */
export function byteFromModelRange(value: number): number {
  const byte = Math.round((value + 1) * 127.5);
  return byte < 0 ? 0 : byte > 255 ? 255 : byte || 0;
}

/**
 * Applies {@link byteFromModelRange} to many values.
 * @throws CoordTokError `not-finite` for values that are not finite: they come from damaged weights or planes.
 */
export function bytesFromModelRange(values: Float32Array): Uint8Array {
  // `Uint8Array.from` takes forty times as long as this loop.
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
    "The decoded frames are not finite: the checkpoint is damaged, or its training diverged; use another one.",
  );
}

/**
 * Batches clips of equal frame size into one tensor.
 * @param clips at least one, all with the same frame size. Shorter ones are padded to the longest by repeating their last frame.
 * @returns a clip `[B, T, H, W, 3]` in [-1, 1], owned by the caller.
 * @throws CoordTokError `input` for no clips and for values that are no clips, `shape` if sizes differ or a clip has no frame, `backend` if none
 * is loaded.
 */
export function clipFromRgb(clips: readonly RgbClip[]): Clip {
  const { bytes, shape, validFrames } = batchOfClips(clips);
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < values.length; i++) values[i] = modelRangeOfBytes[bytes[i]!]!;
  return { frames: tensor(values, shape, "float32"), validFrames };
}

/** A batch of clips as bytes. */
export interface ByteBatch {
  /** Values from 0 to 255 of the shape. */
  readonly bytes: Uint8Array;
  readonly shape: [batch: number, time: number, height: number, width: number, channels: 3];
  readonly validFrames: readonly number[];
}

/** Joins clips as {@link clipFromRgb} does. @throws as it does. */
export function batchOfClips(clips: readonly RgbClip[]): ByteBatch {
  const given: unknown = clips;
  if (!Array.isArray(given))
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
  const frameBytes = height * width * 3;
  const shape: ByteBatch["shape"] = [clips.length, frameCount, height, width, 3];
  const validFrames = clips.map((clip) => clip.frameCount);
  for (const clip of clips)
    if (clip.height !== height || clip.width !== width)
      throw new CoordTokError(
        "shape",
        `Expected clips of one size, got ${width}x${height} and ${clip.width}x${clip.height}; resize or crop them alike.`,
      );
  if (clips.length === 1) return { bytes: first.data, shape, validFrames };
  const bytes = new Uint8Array(clips.length * frameCount * frameBytes);
  clips.forEach((clip, index) => {
    const start = index * frameCount * frameBytes;
    bytes.set(clip.data, start);
    const last = start + (clip.frameCount - 1) * frameBytes;
    for (let t = clip.frameCount; t < frameCount; t++)
      bytes.copyWithin(start + t * frameBytes, last, last + frameBytes);
  });
  return { bytes, shape, validFrames };
}

/**
 * Converts one clip of a batch to bytes, without its padding.
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

/**
 * Throws unless a clip has at least one frame and as many bytes as its size says.
 * @throws CoordTokError `shape`; `input` for a value that is no clip.
 */
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

import {
  bytesFromModelRange,
  checkInteger,
  checkNumber,
  checkOptions,
  checkRgbClip,
  clipFromRgb,
  CoordTokError,
  type Clip,
  type OptionNames,
  type RgbClip,
  type RgbFrame,
} from "@coordtok/core";
import { slice, tidy } from "@tensorflow/tfjs-core";
import { checkFrameSize } from "./geometry.js";
import { fitFrame } from "./resize.js";
import type { FrameSize } from "./types.js";

/** Frames in display order, either generated on demand or already complete. */
export type RgbFrames = AsyncIterable<RgbFrame> | Iterable<RgbFrame>;

/** Options of {@link rgbClipFromFrames} and {@link clipFromFrames}. */
export interface ClipOptions {
  /** The number of frames to read at most; {@link clipFromFrames} pads a shorter clip to it (default: all frames). */
  readonly length?: number | undefined;
  /** The size to which each frame is resized and cropped, as by {@link fitFrame} (default: the size of the frames). */
  readonly size?: FrameSize | undefined;
}

const clipOptionNames: OptionNames<ClipOptions> = { length: true, size: true };

/**
 * Collects frames to a clip of bytes. It does not pad the clip if frames are missing.
 * @throws CoordTokError `input` for no frames, `shape` if the frames differ in size, `config` for options out of range.
 */
export async function rgbClipFromFrames(frames: RgbFrames, options: ClipOptions = {}): Promise<RgbClip> {
  checkOptions(options, clipOptionNames, "rgbClipFromFrames");
  const length = options.length === undefined ? Infinity : checkInteger(options.length, "length", 1);
  if (options.size) checkFrameSize(options.size);
  const collected: RgbFrame[] = [];
  for await (const frame of frames) {
    const fitted = options.size ? fitFrame(frame, options.size) : frame;
    checkFrame(fitted, collected[0] ?? fitted, collected.length);
    collected.push(fitted);
    if (collected.length >= length) break;
  }
  return joinFrames(collected);
}

/**
 * Collects frames to a tensor `[1, T, H, W, 3]` in [-1, 1], owned by the caller.
 * If there are fewer than `length` frames, the last one is repeated; `validFrames` holds the number of real ones.
 * @throws CoordTokError `input` for no frames, `shape` if the frames differ in size, `config` for options out of range.
 */
export async function clipFromFrames(frames: RgbFrames, options: ClipOptions = {}): Promise<Clip> {
  checkOptions(options, clipOptionNames, "clipFromFrames");
  const real = await rgbClipFromFrames(frames, options);
  const { frames: tensor } = clipFromRgb([padded(real, options.length ?? real.frameCount)]);
  return { frames: tensor, validFrames: [real.frameCount] };
}

/**
 * Yields the frames of a clip one by one, without its padding. A tensor is read back in pieces, so memory does not grow with its length.
 * @param clip a batch of clips as a tensor in [-1, 1], of which one is read, or one clip as bytes.
 * @param fps the frame rate per second, 0.001 to 1000000, for the timestamps.
 * @param index the index of the clip in a batch, 0 to B-1 (default 0).
 * @throws CoordTokError `input` for an index outside the batch, `config` for a rate out of range, `shape` for bytes that do not fit their
 * size, `not-finite` for a tensor of numbers that are not finite.
 */
export function framesFromClip(clip: Clip | RgbClip, fps: number, index = 0): AsyncIterable<RgbFrame> {
  checkRate(fps);
  return "frames" in clip ? framesOfTensor(clip, fps, index) : framesOfBytes(clip, fps);
}

/**
 * Throws unless a rate is from 0.001 to 1000000 frames per second.
 * @throws CoordTokError `config`.
 */
export function checkRate(fps: number): void {
  checkNumber(fps, "fps", 0.001, 1e6);
}

async function* framesOfBytes(clip: RgbClip, fps: number): AsyncGenerator<RgbFrame, void, undefined> {
  checkRgbClip(clip);
  const { width, height, frameCount } = clip;
  const bytes = width * height * 3;
  for (let time = 0; time < frameCount; time++)
    yield { width, height, data: clip.data.slice(time * bytes, (time + 1) * bytes), timestampSeconds: time / fps };
}

/** Tensors are read in pieces of up to 64 MiB rather than frame by frame, since wasm copies the whole tensor for every piece. */
const floatsAtOnce = 2 ** 24;

async function* framesOfTensor(clip: Clip, fps: number, index: number): AsyncGenerator<RgbFrame, void, undefined> {
  const [batch, , height, width] = clip.frames.shape;
  const frameCount = clip.validFrames[index];
  if (frameCount === undefined)
    throw new CoordTokError("input", `Expected a clip index of 0 to ${batch - 1}, got ${index}.`);
  const size = height * width * 3;
  const together = Math.max(1, Math.floor(floatsAtOnce / size));
  for (let start = 0; start < frameCount; start += together) {
    const count = Math.min(together, frameCount - start);
    const some = tidy(() => slice(clip.frames, [index, start, 0, 0, 0], [1, count, height, width, 3]));
    const values = await some.data().finally(() => some.dispose());
    for (let time = start; time < start + count; time++) {
      const from = (time - start) * size;
      const data = bytesFromModelRange(values.subarray(from, from + size) as Float32Array);
      yield { width, height, data, timestampSeconds: time / fps };
    }
  }
}

function checkFrame(frame: RgbFrame, first: FrameSize, index: number): void {
  if (frame.data.length !== frame.width * frame.height * 3)
    throw new CoordTokError(
      "shape",
      `Expected ${frame.width * frame.height * 3} bytes for frame ${index} of ${frame.width}x${frame.height}, got ${frame.data.length}.`,
    );
  if (frame.width !== first.width || frame.height !== first.height)
    throw new CoordTokError(
      "shape",
      `Expected frames of one size, got ${first.width}x${first.height} and, as frame ${index}, ${frame.width}x${frame.height}; give a size to resize them to.`,
    );
}

function joinFrames(frames: readonly RgbFrame[]): RgbClip {
  const first = frames[0];
  if (!first) throw new CoordTokError("input", "Expected at least one frame, got none.");
  const { width, height } = first;
  const bytes = width * height * 3;
  const data = new Uint8Array(frames.length * bytes);
  frames.forEach((frame, time) => data.set(frame.data, time * bytes));
  return { data, frameCount: frames.length, height, width };
}

function padded(clip: RgbClip, length: number): RgbClip {
  if (clip.frameCount >= length) return clip;
  const bytes = clip.width * clip.height * 3;
  const data = new Uint8Array(length * bytes);
  data.set(clip.data);
  const last = (clip.frameCount - 1) * bytes;
  for (let time = clip.frameCount; time < length; time++) data.copyWithin(time * bytes, last, last + bytes);
  return { ...clip, data, frameCount: length };
}

import {
  clipFromRgb,
  pickOptions,
  rgbFromClip,
  throwIfAborted,
  type LongCallOptions,
  type RgbClip,
  type RgbFrame,
} from "@coordtok/core";
import { framePairs } from "@coordtok/metrics";
import { triplaneShapeOf, type CoordTok } from "@coordtok/tokenizer";
import { disposeTriplane, floatCount } from "@coordtok/triplane";
import { rgbClipFromFrames, type FrameSize } from "@coordtok/video";
import { ffmpegOptionNames, readFrames, type FfmpegOptions, type ReadOptions } from "@coordtok/video/node";
import type { PlannedClip } from "./clip-plan.js";

/** A frame and its reconstruction. */
export type FramePair = readonly [reference: RgbFrame, other: RgbFrame];

/** The space that a clip takes in the form that is evaluated. */
export interface StoredSize {
  readonly values: number;
  readonly bytes: number;
}

/** How the frames of an evaluation are read. */
export interface ReadingOptions extends Pick<LongCallOptions, "signal">, FfmpegOptions {
  /** Told what is damaged in an original. */
  readonly onDamage?: ((path: string, damage: string) => void) | undefined;
}

/** The source of the frames of an evaluation. It streams: a whole clip is in memory only when the model needs it. */
export interface PairSource {
  /** Yields the frames of a clip with their reconstructions. */
  pairs(clip: PlannedClip): AsyncIterable<FramePair>;
  /** Yields the original frames alone. */
  reference(clip: PlannedClip): AsyncIterable<RgbFrame>;
  /** The number of frames after which the model starts a new segment; `undefined` when it is unknown. */
  readonly segmentLength: number | undefined;
  /** The space that a clip takes. */
  stored(clip: { readonly frames: number; readonly height: number; readonly width: number }): StoredSize;
  /** The same in words. */
  readonly storedText: string;
}

/** Triplanes are stored in float32. */
const bytesPerValue = 4;
/** The size of the paper's triplane: 16x16, 32x16 and 32x16 cells of 8 channels for 128 frames. */
const paperValues = 10_240;
const paperFrames = 128;
const paperSide = 128;

/** Reads pairs of videos, compared at a size (default: their own). */
export function pairsOfVideos(size: FrameSize | undefined, options: ReadingOptions): PairSource {
  const read = (path: string, { start, length }: PlannedClip): AsyncIterable<RgbFrame> =>
    readFrames(path, { start, length }, readingOf(path, size, options));
  return {
    pairs: (clip) => framePairs(read(clip.video.path, clip), read(clip.video.other!, clip)),
    reference: (clip) => read(clip.video.path, clip),
    segmentLength: undefined,
    stored: ({ frames, height, width }) => {
      const clips = Math.ceil(frames / paperFrames) * Math.max(1, (height * width) / paperSide ** 2);
      const values = Math.round(paperValues * clips);
      return { values, bytes: values * bytesPerValue };
    },
    storedText: `as the paper, ${paperValues} values (float32) for ${paperFrames} frames of ${paperSide}x${paperSide} and in proportion for larger ones, since a pair of videos does not say what was stored`,
  };
}

function readingOf(path: string, size: FrameSize | undefined, options: ReadingOptions): ReadOptions {
  const onDamage = (damage: string): void => options.onDamage?.(path, damage);
  return { size, signal: options.signal, onDamage, ...pickOptions(options, ffmpegOptionNames) };
}

/** Passes videos through a model, in segments of the model's length, each encoded and decoded alone. */
export function pairsThroughModel(model: CoordTok, slice: number | "all", options: ReadingOptions): PairSource {
  const { frames: segmentLength, height, width } = model.config.clip;
  const { time, space } = model.config.decoder.patch;
  const patches = (segmentLength / time) * (height / space) * (width / space);
  const sliceSize = slice === "all" ? patches : slice;
  const reference = ({ video, start, length }: PlannedClip): AsyncIterable<RgbFrame> =>
    readFrames(video.path, { start, length }, readingOf(video.path, { height, width }, options));
  const values = floatCount(triplaneShapeOf(model.config));
  return {
    pairs: (clip) => reconstructedPairs(model, reference(clip), { sliceSize, signal: options.signal }),
    reference,
    segmentLength,
    stored: ({ frames }) => {
      const all = values * Math.ceil(frames / segmentLength);
      return { values: all, bytes: all * bytesPerValue };
    },
    storedText: `the model's triplane of ${values} values (float32) for each ${segmentLength} frames`,
  };
}

async function* reconstructedPairs(
  model: CoordTok,
  frames: AsyncIterable<RgbFrame>,
  options: { readonly sliceSize: number; readonly signal: AbortSignal | undefined },
): AsyncGenerator<FramePair, void> {
  let segment: RgbFrame[] = [];
  const flush = async function* (): AsyncGenerator<FramePair, void> {
    const original = segment;
    segment = [];
    const decoded = await reconstruct(model, await rgbClipFromFrames(original), options);
    const bytes = decoded.height * decoded.width * 3;
    for (const [t, frame] of original.entries())
      yield [frame, { ...frame, data: decoded.data.subarray(t * bytes, (t + 1) * bytes) }];
  };
  for await (const frame of frames) {
    segment.push(frame);
    if (segment.length === model.config.clip.frames) yield* flush();
  }
  if (segment.length > 0) yield* flush();
}

async function reconstruct(
  model: CoordTok,
  clip: RgbClip,
  { sliceSize, signal }: { readonly sliceSize: number; readonly signal: AbortSignal | undefined },
): Promise<RgbClip> {
  throwIfAborted(signal);
  const tensors = clipFromRgb([clip]);
  const triplane = model.encode(tensors);
  tensors.frames.dispose();
  try {
    const times = Array.from({ length: clip.frameCount }, (_, i) => i);
    const decoded = await model.decode(triplane, { times, sliceSize, signal });
    try {
      return await rgbFromClip(decoded);
    } finally {
      decoded.frames.dispose();
    }
  } finally {
    disposeTriplane(triplane);
  }
}

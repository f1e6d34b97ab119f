import { pickOptions, type LongCallOptions, type ProgressEvent, type RgbFrame } from "@coordtok/core";
import { framePairs } from "@coordtok/metrics";
import { rgbClipFromFrames, type FrameSize } from "@coordtok/video";
import { ffmpegOptionNames, readFrames, type FfmpegOptions, type ReadOptions } from "@coordtok/video/node";
import type { PlannedClip } from "./clip-plan.js";
import type { SegmentCoder } from "./segment-coder.js";

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
  /**
   * Yields the frames of a clip with their reconstructions.
   * @param onWork is told the work of making them, counted in frames: `modelShare` of every frame.
   */
  pairs(clip: PlannedClip, onWork?: (frames: number) => void): AsyncIterable<FramePair>;
  /** The share of the work on a frame that a model takes. */
  readonly modelShare: number;
  /** Yields the original frames alone. */
  reference(clip: PlannedClip): AsyncIterable<RgbFrame>;
  /** The number of frames after which the model starts a new segment; `undefined` when it is unknown. */
  readonly segmentLength: number | undefined;
  /** The space that a clip takes. */
  stored(clip: { readonly frames: number; readonly height: number; readonly width: number }): StoredSize;
  /** The same in words. */
  readonly storedText: string;
}

/** The share of the work on a frame that encoding and decoding it take. */
const modelShareOfFrame = 0.8;
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
    modelShare: 0,
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

/** Passes videos through a tokenizer, in segments. */
export function pairsThroughModel(coder: SegmentCoder, options: ReadingOptions): PairSource {
  const { frames: segmentLength, size, values } = coder;
  const reference = ({ video, start, length }: PlannedClip): AsyncIterable<RgbFrame> =>
    readFrames(video.path, { start, length }, readingOf(video.path, size, options));
  return {
    pairs: (clip, onWork) => reconstructedPairs(coder, reference(clip), { signal: options.signal, onWork }),
    modelShare: modelShareOfFrame,
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
  coder: SegmentCoder,
  frames: AsyncIterable<RgbFrame>,
  { signal, onWork }: Pick<LongCallOptions, "signal"> & { readonly onWork: ((frames: number) => void) | undefined },
): AsyncGenerator<FramePair, void> {
  let segment: RgbFrame[] = [];
  const flush = async function* (): AsyncGenerator<FramePair, void> {
    const original = segment;
    segment = [];
    let told = 0;
    const tell = (share: number): void => {
      onWork?.(modelShareOfFrame * original.length * (share - told));
      told = share;
    };
    const onProgress = ({ done, total = done }: ProgressEvent): void => tell(total > 0 ? done / total : 1);
    const decoded = await coder.reconstruct(await rgbClipFromFrames(original), { signal, onProgress });
    tell(1);
    const bytes = decoded.height * decoded.width * 3;
    for (const [t, frame] of original.entries())
      yield [frame, { ...frame, data: decoded.data.subarray(t * bytes, (t + 1) * bytes) }];
  };
  for await (const frame of frames) {
    segment.push(frame);
    if (segment.length === coder.frames) yield* flush();
  }
  if (segment.length > 0) yield* flush();
}

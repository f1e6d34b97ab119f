import {
  clipFromRgb,
  CoordTokError,
  rgbFromClip,
  throwIfAborted,
  type Clip,
  type LongCallOptions,
  type OptionNames,
  type RgbClip,
} from "@coordtok/core";
import {
  triplaneShapeOf,
  type AnyTokenizer,
  type Budget,
  type CoordTok,
  type LatticeCoordTok,
} from "@coordtok/tokenizer";
import { latticeBlock, paddedSize } from "@coordtok/tokenizer/lattice";
import { disposeTriplane, floatCount, planeNames, planeSize, type Triplane } from "@coordtok/triplane";
import type { FrameSize } from "@coordtok/video";

/** Options of the lattice form, which fixes neither a size nor a number of frames. */
export interface LatticeSegments {
  /** The size of the frames (default 128x128). */
  readonly size?: FrameSize | undefined;
  /** The frames of a segment (default 16). */
  readonly windowFrames?: number | undefined;
  /** The number of channels that are kept of xy (default: all). */
  readonly content?: number | undefined;
  /** The number of channels that are kept of yt and xt (default: all). */
  readonly motion?: number | undefined;
}

/** The names of {@link LatticeSegments}. */
export const latticeSegmentNames: OptionNames<LatticeSegments> = {
  size: true,
  windowFrames: true,
  content: true,
  motion: true,
};

/** A tokenizer that encodes and decodes segments of frames, each alone. */
export interface SegmentCoder {
  /** The largest number of frames of a segment. */
  readonly frames: number;
  /** The size of the frames. */
  readonly size: FrameSize;
  /** The number of values that are stored for a segment. */
  readonly values: number;
  /** How frames are decoded, in words. */
  readonly decoding: string;
  /** Encodes and decodes frames, which are fewer only at the end. */
  reconstruct(clip: RgbClip, options: LongCallOptions): Promise<RgbClip>;
}

/**
 * Makes the coder of a tokenizer of either form.
 * @param slice the number of patches that the paper's form decodes together.
 * @throws CoordTokError `config` for options of the lattice form with the paper's, and for those out of range.
 */
export function segmentCoder(model: AnyTokenizer, slice: number | "all", options: LatticeSegments): SegmentCoder {
  return model.form === "lattice" ? latticeCoder(model, options) : paperCoder(model, slice, options);
}

function paperCoder(model: CoordTok, slice: number | "all", options: LatticeSegments): SegmentCoder {
  for (const name of ["size", "windowFrames", "content", "motion"] as const)
    if (options[name] !== undefined)
      throw new CoordTokError(
        "config",
        `The tokenizer has the paper's form, with one size and all channels; ${name} applies to the lattice form, leave it out.`,
        { options: { [name]: undefined } },
      );
  const { frames, height, width } = model.config.clip;
  const { time, space } = model.config.decoder.patch;
  const sliceSize = slice === "all" ? (frames / time) * (height / space) * (width / space) : slice;
  const together = slice === "all" ? "all patches of a segment" : `${slice} patches`;
  return {
    frames,
    size: { height, width },
    values: floatCount(triplaneShapeOf(model.config)),
    decoding: decodingText(frames, `${together} decoded together`),
    reconstruct: (clip, call) =>
      through(
        clip,
        call.signal,
        (tensors) => model.encode(tensors),
        (triplane) => {
          const times = Array.from({ length: clip.frameCount }, (_, i) => i);
          return model.decode(triplane, { ...call, times, sliceSize });
        },
      ),
  };
}

function latticeCoder(model: LatticeCoordTok, options: LatticeSegments): SegmentCoder {
  const { channels } = model.config;
  const { size = { height: 128, width: 128 }, windowFrames = 16, content = channels, motion = channels } = options;
  const inRange = (name: "content" | "motion" | "windowFrames", value: number, least: number, most: number): void => {
    if (!(Number.isInteger(value) && value >= least && value <= most))
      throw new CoordTokError(
        "config",
        `Expected ${name} to be a whole number from ${least} to ${most}, got ${value}.`,
        {
          options: { [name]: undefined },
        },
      );
  };
  inRange("content", content, 0, channels);
  inRange("motion", motion, 0, channels);
  inRange("windowFrames", windowFrames, 1, 256);
  const budget: Budget = { content, motion };
  const padded = paddedSize({ frames: windowFrames, ...size });
  const shape = {
    time: padded.frames / latticeBlock.time,
    rows: padded.height / latticeBlock.space,
    columns: padded.width / latticeBlock.space,
  };
  const values = planeNames.reduce((sum, plane) => {
    const [outer, inner] = planeSize(shape, plane);
    return sum + outer * inner * (plane === "xy" ? content : motion);
  }, 0);
  return {
    frames: windowFrames,
    size,
    values,
    decoding: decodingText(windowFrames, `${content} channels of xy and ${motion} of yt and xt kept`),
    reconstruct: (clip, call) =>
      through(
        clip,
        call.signal,
        (tensors) => model.encode(tensors, { budget }),
        (triplane) => {
          const { frameCount, height, width } = clip;
          return model.decode(triplane, { ...call, size: { frames: frameCount, height, width } });
        },
      ),
  };
}

function decodingText(frames: number, how: string): string {
  return `segments of ${frames} frames, each encoded and decoded alone, ${how}, rounded to bytes; the average of the training's weights`;
}

async function through(
  clip: RgbClip,
  signal: AbortSignal | undefined,
  encode: (clip: Clip) => Triplane,
  decode: (triplane: Triplane) => Promise<Clip>,
): Promise<RgbClip> {
  throwIfAborted(signal);
  const tensors = clipFromRgb([clip]);
  const triplane = encode(tensors);
  tensors.frames.dispose();
  try {
    const decoded = await decode(triplane);
    return await rgbFromClip(decoded).finally(() => decoded.frames.dispose());
  } finally {
    disposeTriplane(triplane);
  }
}

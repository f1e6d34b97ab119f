import {
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  macrotask,
  throwIfAborted,
  type Clip,
  type LongCallOptions,
  type OptionNames,
  type Rectangle,
} from "@coordtok/core";
import { unpatchify } from "@coordtok/core/nn";
import type { Triplane } from "@coordtok/triplane";
import { concat, dispose, gather, slice, tensor1d, tidy, type Tensor5D } from "@tensorflow/tfjs-core";
import { checkLatticePlanes, decodeBlocks } from "./block-decoder.js";
import { latticeBlock, paddedSize, type FrameSize, type LatticeConfig } from "./config.js";
import type { LatticeDecoderParams } from "./params.js";

/** What to decode, and how. */
export interface LatticeDecodeOptions extends LongCallOptions {
  /** The size of the clip that was encoded, so that its padding is cropped. Default: all frames and pixels of the planes. */
  readonly size?: FrameSize | undefined;
  /** Whole frame numbers from 0, in the order wanted. Only the blocks that contain them are decoded. Default: all frames. */
  readonly times?: readonly number[] | undefined;
  /**
   * The part of the frame to return. The blocks of a frame are decoded whole and cropped, so the pixels equal those of the whole
   * frame. Default: the whole frame.
   */
  readonly rectangle?: Rectangle | undefined;
}

const latticeDecodeOptionNames: OptionNames<LatticeDecodeOptions> = {
  ...longCallOptionNames,
  size: true,
  times: true,
  rectangle: true,
};

/**
 * Decodes a triplane to frames, one block of time after another. A block is always decoded in the same way, so on one backend a
 * frame has the same bits whether it is decoded alone or among others.
 * @returns `[B, times, height, width, 3]` in model range (not clamped), owned by the caller; every frame counts as valid.
 * @throws CoordTokError `input` for a size, frames or a rectangle that the planes do not have; `shape` for planes of another model;
 *   `aborted`.
 */
export async function decodeLattice(
  params: LatticeDecoderParams,
  config: LatticeConfig,
  triplane: Triplane,
  options: LatticeDecodeOptions = {},
): Promise<Clip> {
  checkOptions(options, latticeDecodeOptionNames, "decodeLattice");
  const planes = checkLatticePlanes(config, triplane);
  const { time, space } = latticeBlock;
  const whole: FrameSize = {
    frames: planes.time * time,
    height: planes.rows * space,
    width: planes.columns * space,
  };
  const size = checkSize(options.size ?? whole, whole);
  const times = checkTimes(options.times, size);
  const rectangle = checkRectangle(options.rectangle, size);
  const blocks = [...new Set(times.map((frame) => Math.floor(frame / time)))].sort((a, b) => a - b);
  const place = new Map(blocks.map((block, i) => [block, i]));
  const decoded: Tensor5D[] = [];
  try {
    for (const block of blocks) {
      throwIfAborted(options.signal);
      decoded.push(
        tidy(() => {
          const patches = decodeBlocks(params, config, triplane, [block]);
          return cut(unpatchify(patches, latticeBlock, { ...whole, frames: time }), rectangle);
        }),
      );
      options.onProgress?.({ task: "decode", done: decoded.length, total: blocks.length, unit: "blocks" });
      await macrotask();
    }
    const picks = times.map((frame) => place.get(Math.floor(frame / time))! * time + (frame % time));
    const frames = tidy(() => pick(decoded, picks));
    return { frames, validFrames: Array.from({ length: frames.shape[0] }, () => times.length) };
  } finally {
    dispose(decoded);
  }
}

function checkSize(size: FrameSize, whole: FrameSize): FrameSize {
  for (const name of ["frames", "height", "width"] as const)
    if (!(Number.isInteger(size[name]) && size[name] >= 1) || paddedSize(size)[name] !== whole[name])
      throw new CoordTokError(
        "input",
        `Expected the size of a clip whose planes are those of ${formatSize(whole)}, got ${formatSize(size)}.`,
      );
  return size;
}

function formatSize({ frames, height, width }: FrameSize): string {
  return `${frames} frames of ${width}x${height}`;
}

function checkTimes(times: readonly number[] | undefined, { frames }: FrameSize): readonly number[] {
  if (times === undefined) return Array.from({ length: frames }, (_, frame) => frame);
  if (times.length === 0) throw new CoordTokError("input", "Expected at least one frame to decode, got none.");
  for (const frame of times)
    if (!(Number.isInteger(frame) && frame >= 0 && frame < frames))
      throw new CoordTokError(
        "input",
        `Expected whole frame numbers from 0 to ${frames - 1}, the frames of a lattice tokenizer, got ${frame}.`,
      );
  return times;
}

function checkRectangle(rectangle: Rectangle | undefined, { height, width }: FrameSize): Rectangle {
  if (rectangle === undefined) return { top: 0, left: 0, height, width };
  const fits = (begin: number, count: number, limit: number): boolean =>
    Number.isInteger(begin) && Number.isInteger(count) && begin >= 0 && count >= 1 && begin + count <= limit;
  if (!fits(rectangle.top, rectangle.height, height) || !fits(rectangle.left, rectangle.width, width))
    throw new CoordTokError(
      "input",
      `Expected a rectangle within ${width}x${height} pixels, got ${rectangle.width}x${rectangle.height} at row ${rectangle.top}, column ${rectangle.left}.`,
    );
  return rectangle;
}

function cut(frames: Tensor5D, { top, left, height, width }: Rectangle): Tensor5D {
  const [clips, count, wholeHeight, wholeWidth] = frames.shape;
  if (height === wholeHeight && width === wholeWidth) return frames;
  return slice(frames, [0, 0, top, left, 0], [clips, count, height, width, 3]);
}

/** Selects frames by their index among the decoded ones. */
function pick(decoded: readonly Tensor5D[], picks: readonly number[]): Tensor5D {
  const all = decoded.length === 1 ? decoded[0]! : concat([...decoded], 1);
  const [clips, , height, width] = all.shape;
  if (picks.every((frame, i) => frame === i))
    return slice(all, [0, 0, 0, 0, 0], [clips, picks.length, height, width, 3]);
  return picks.length === 1
    ? slice(all, [0, picks[0]!, 0, 0, 0], [clips, 1, height, width, 3])
    : gather(all, tensor1d([...picks], "int32"), 1);
}

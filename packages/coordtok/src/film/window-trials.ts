import { codedBytes, dequantize, quantize } from "@coordtok/bitstream";
import { clipFromRgb, disposeTree, throwIfAborted, type Clip, type RgbFrame } from "@coordtok/core";
import type { Budget, LatticeCoordTok } from "@coordtok/tokenizer";
import { keepChannels } from "@coordtok/tokenizer/lattice";
import type { FilmPicture, Triplane } from "@coordtok/triplane";
import { codingPriors } from "./code-stream.js";
import { tileOf } from "./encode-stream.js";

/** What a window may be coded with. */
export interface Rung {
  /** What a code of 1 stands for. */
  readonly step: number;
  /** The channels that are stored. */
  readonly budget: Budget;
}

/** What came of a window with one rung. */
export interface Trial extends Rung {
  /** Bytes in the file. */
  readonly bytes: number;
  /** The sum of squared errors of its pixels in [-1, 1], all tiles together. */
  readonly error: number;
  /** The same of each frame. */
  readonly frameErrors: readonly number[];
  /** Pixel values of a frame, all tiles together. */
  readonly frameValues: number;
}

/** How windows are tried. */
export interface TrialOptions {
  readonly model: LatticeCoordTok;
  readonly picture: FilmPicture;
  /** From few bytes to many. */
  readonly rungs: readonly Rung[];
  /** Whether the next rung, which takes more bytes, is worth a try. */
  readonly goesOn: (trials: readonly Trial[], values: number) => boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Codes a window with rungs one after the other and decodes it.
 * @param frames of the tokenizer's size.
 * @returns the trials of the rungs that were worth a try, at least one.
 */
export async function tryWindow(frames: readonly RgbFrame[], options: TrialOptions): Promise<Trial[]> {
  const { model, picture, rungs, goesOn, signal } = options;
  const tiles = picture.tiles.map((tile) => clipFromRgb([tileOf(frames, tile)]));
  const planes: Triplane[] = [];
  try {
    for (const clip of tiles) planes.push(model.encode(clip));
    const values = tiles.reduce((sum, clip) => sum + clip.frames.size, 0);
    const trials: Trial[] = [];
    for (const rung of rungs) {
      throwIfAborted(signal);
      const frameErrors = frames.map(() => 0);
      let bytes = 0;
      for (const [i, clip] of tiles.entries()) {
        const tried = await tryTile(model, clip, planes[i]!, rung);
        bytes += tried.bytes;
        tried.errors.forEach((error, frame) => (frameErrors[frame]! += error));
      }
      const error = frameErrors.reduce((sum, one) => sum + one, 0);
      trials.push({ ...rung, bytes, error, frameErrors, frameValues: values / frames.length });
      if (!goesOn(trials, values)) break;
    }
    return trials;
  } finally {
    disposeTree([planes, tiles.map((clip) => clip.frames)]);
  }
}

async function tryTile(
  model: LatticeCoordTok,
  clip: Clip,
  planes: Triplane,
  { step, budget }: Rung,
): Promise<{ readonly bytes: number; readonly errors: readonly number[] }> {
  const kept = keepChannels(planes, budget);
  const codes = await quantize(kept, { step }).finally(() => {
    disposeTree(kept);
  });
  const bytes = codedBytes({ codes, budget }, { priors: codingPriors(model.config) });
  const rounded = dequantize(codes);
  const [, frames, height, width] = clip.frames.shape;
  try {
    const decoded = await model.decode(rounded, { size: { frames, height, width } });
    try {
      return { bytes, errors: squaredErrors(await decoded.frames.data(), await clip.frames.data(), frames) };
    } finally {
      decoded.frames.dispose();
    }
  } finally {
    disposeTree(rounded);
  }
}

/** Of each frame; decoded values are cut to the range that is shown. */
function squaredErrors(decoded: ArrayLike<number>, wanted: ArrayLike<number>, frames: number): number[] {
  const values = wanted.length / frames;
  return Array.from({ length: frames }, (_, frame) => {
    let sum = 0;
    for (let i = frame * values; i < (frame + 1) * values; i++) {
      const value = decoded[i]!;
      sum += ((value < -1 ? -1 : value > 1 ? 1 : value) - wanted[i]!) ** 2;
    }
    return sum;
  });
}

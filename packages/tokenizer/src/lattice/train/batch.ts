import { CoordTokError, Random, rgbFromClip, type Clip, type RgbClip } from "@coordtok/core";
import { tensor5d } from "@tensorflow/tfjs-core";
import type { WindowSource } from "../../train/train.js";
import type { Budget } from "../budget.js";
import { latticeBlock, type FrameSize } from "../config.js";
import { varyColours } from "./colours.js";
import { drawWindow, fitsWindow } from "./footage.js";
import { drawMovingPictures, type StillPicture } from "./moving-pictures.js";
import type { BatchShape, LatticeTrainSettings } from "./settings.js";

/** The clips and pictures that a lattice training draws from. */
export interface TrainingFootage {
  /**
   * Clips of any sizes and lengths, from which windows are drawn; or clips in a fixed order, one for each window, best at least as
   * large and twice as long as the largest shape.
   */
  readonly clips: readonly RgbClip[] | WindowSource;
  /** Still pictures to make windows under a moving camera from (default: none). */
  readonly pictures?: readonly StillPicture[] | undefined;
}

/** The data of one training step. */
export interface LatticeBatch {
  /** The clips, `[B, T, H, W, 3]`. */
  readonly clip: Clip;
  /** The channel budget of each clip. */
  readonly budget: readonly Budget[];
  /** The blocks of time to decode, in ascending order. */
  readonly blocks: readonly number[];
}

/** How often each number of xy channels is kept (`docs/spec.md#lattice-training`). */
const contents: readonly (readonly [channels: number, share: number])[] = [
  [4, 0.12],
  [8, 0.23],
  [16, 0.25],
  [32, 0.4],
];
/** How often each number of yt and xt channels is kept, when it is not that of xy. */
const motions: readonly (readonly [channels: number, share: number])[] = [
  [0, 0.04],
  [4, 0.1],
  [8, 0.22],
  [16, 0.24],
  [32, 0.4],
];

/** What the windows of one step are drawn from. */
export interface StepFootage {
  readonly clips: readonly RgbClip[];
  readonly pictures?: readonly StillPicture[] | undefined;
  /** Whether each clip gives one window, in this order, instead of being drawn. */
  readonly inTurn?: boolean | undefined;
}

/**
 * Returns what gives the footage of one step after another. A source is asked for as many clips in each step as the largest batch has, so
 * that the clips of a step follow from its number.
 * @param taken the number of steps, or micro-batches, taken before.
 */
export function stepFootage(
  { clips, pictures }: TrainingFootage,
  shapes: readonly BatchShape[],
  taken: number,
): () => StepFootage | Promise<StepFootage> {
  if (!("windows" in clips)) return () => ({ clips, pictures });
  const most = Math.max(...shapes.map((shape) => shape.clips));
  let next = taken * most;
  return async () => {
    const first = next;
    next += most;
    return { clips: await clips.windows(first, most), pictures, inTurn: true };
  };
}

/** The shape to take where one was drawn of which no window can be drawn: the first that has one. */
export function possibleShape<Shape extends FrameSize>(
  footage: StepFootage,
  drawn: Shape,
  shapes: readonly Shape[],
): Shape {
  const isPossible = (shape: Shape): boolean =>
    (footage.pictures ?? []).length > 0 || footage.clips.some((clip) => fitsWindow(clip, shape));
  return isPossible(drawn) ? drawn : (shapes.find(isPossible) ?? drawn);
}

/**
 * Throws unless windows of every shape can be drawn. Of a source of clips that is not known.
 * @throws CoordTokError `input` when no clip is large enough for a shape and there are no pictures.
 */
export function checkFootage({ clips, pictures = [] }: TrainingFootage, shapes: readonly BatchShape[]): void {
  if ("windows" in clips) return;
  checkClips({ clips, pictures }, shapes);
}

function checkClips({ clips, pictures = [] }: StepFootage, shapes: readonly FrameSize[]): void {
  for (const { frames, height, width } of shapes)
    if (pictures.length === 0 && !clips.some((clip) => fitsWindow(clip, { frames, height, width })))
      throw new CoordTokError(
        "input",
        `Expected a clip of at least ${Math.ceil(frames / 2)} frames of ${width}x${height} to train on, got none; give larger clips, or pictures.`,
      );
}

/** Draws the clips, budgets and blocks of a step. @throws CoordTokError `input` when no clip is large enough and there are no pictures. */
export function drawLatticeBatch(
  footage: StepFootage,
  shape: BatchShape,
  channels: number,
  settings: LatticeTrainSettings,
  random: Random,
): LatticeBatch {
  const { frames, height, width, clips } = shape;
  checkClips(footage, [shape]);
  const values = new Float32Array(clips * frames * height * width * 3);
  for (let i = 0; i < clips; i++) {
    const window = drawFootage(footage, shape, i, settings.pictureShare, random);
    varyColours(window, shape, random, values, i * window.length);
  }
  const blocks = frames / latticeBlock.time;
  return {
    clip: {
      frames: tensor5d(values, [clips, frames, height, width, 3]),
      validFrames: Array.from({ length: clips }, () => frames),
    },
    budget: Array.from({ length: clips }, () => drawBudget(channels, random)),
    blocks: [...random.permutation(blocks).subarray(0, settings.decodedBlocks)].sort((a, b) => a - b),
  };
}

/**
 * Draws windows as a training sees them, to make a start from or to measure on.
 * @param count of windows, over all shapes of the settings in turn.
 * @param seed for all draws.
 * @throws CoordTokError `input` when no clip is large enough for a shape and there are no pictures.
 */
export async function drawLatticeWindows(
  footage: TrainingFootage,
  settings: LatticeTrainSettings,
  count: number,
  seed: number,
): Promise<RgbClip[]> {
  const shapes = [...settings.firstShapes, ...settings.shapes];
  checkFootage(footage, shapes);
  const random = new Random(seed);
  const windows: RgbClip[] = [];
  const single = shapes.map((shape) => ({ ...shape, clips: 1 }));
  const next = stepFootage(footage, single, 0);
  for (let i = 0; i < count; i++) {
    const clips = await next();
    const shape = possibleShape(clips, single[i % single.length]!, single);
    const { clip } = drawLatticeBatch(clips, shape, 1, settings, random);
    windows.push(await rgbFromClip(clip).finally(() => clip.frames.dispose()));
  }
  return windows;
}

/** Draws one of several choices with probabilities proportional to their shares. */
export function drawByShare<T>(choices: readonly T[], shareOf: (choice: T) => number, random: Random): T {
  const total = choices.reduce((sum, choice) => sum + shareOf(choice), 0);
  let left = random.uniform() * total;
  return choices.find((choice) => (left -= shareOf(choice)) < 0) ?? choices.at(-1)!;
}

function drawFootage(
  { clips, pictures = [], inTurn = false }: StepFootage,
  size: FrameSize,
  index: number,
  pictureShare: number,
  random: Random,
): Float32Array {
  const fitting = clips.filter((clip) => fitsWindow(clip, size));
  const isPicture = pictures.length > 0 && (fitting.length === 0 || random.uniform() < pictureShare);
  if (isPicture) return drawMovingPictures(pictures, size, random);
  const clip = inTurn ? fitting[index % fitting.length]! : drawByShare(fitting, weightOf, random);
  return drawWindow(clip, size, random);
}

/**
 * The weight of a clip in the draw: longer clips are drawn more often, up to 300 frames; small ones, with less room to crop, half
 * as often.
 */
function weightOf({ frameCount, height, width }: RgbClip): number {
  return Math.sqrt(Math.min(frameCount, 300)) * (Math.min(height, width) > 128 ? 1 : 0.5);
}

function drawBudget(channels: number, random: Random): Budget {
  const kept = (choices: typeof contents): number =>
    Math.min(channels, drawByShare(choices, ([, share]) => share, random)[0]);
  const content = kept(contents);
  return { content, motion: random.uniform() < 0.5 ? content : kept(motions) };
}

import { CoordTokError, type Rectangle } from "@coordtok/core";
import * as v from "valibot";
import type { CheckpointReference, TriplaneSource } from "./format.js";

/** How the stored numbers of a video mean colours, in ffmpeg's words; what the video does not say is absent. */
export interface FilmColour {
  /** The matrix between RGB and YUV, such as `bt709`. */
  readonly matrix?: string | undefined;
  /** `tv` for limited, `pc` for full range. */
  readonly range?: string | undefined;
  /** The transfer characteristics, such as `smpte2084`. */
  readonly transfer?: string | undefined;
}

/** The video that a film was made from. Its size is the one displayed: frames are turned before they are encoded. */
export interface FilmSource extends TriplaneSource {
  /** How far the stored pictures are turned clockwise for display, in degrees, 0 to 359. */
  readonly rotation?: number | undefined;
  /** When each frame is shown, in seconds, rising; absent where frames come at the constant rate `fps`, the first at 0. */
  readonly timestampsSeconds?: readonly number[] | undefined;
  /** The pixel format of the video as ffmpeg calls it, such as `yuv420p10le`. */
  readonly pixelFormat?: string | undefined;
  /** Its colours. */
  readonly colour?: FilmColour | undefined;
  /** The width of a pixel as displayed, divided by its height, 0.1 to 10; absent for square pixels. */
  readonly pixelAspect?: number | undefined;
  /** The codec of the video's sound, such as `aac`, which is not in the film; absent without sound. */
  readonly sound?: string | undefined;
  /** The time of the first frame in the video, in seconds; absent for 0. */
  readonly beginSeconds?: number | undefined;
}

/** How the frames of the source became the frames that were encoded, and how those are cut. */
export interface FilmPicture {
  /** Rows of the encoded frames, in pixels. */
  readonly height: number;
  /** Columns of the encoded frames, in pixels. */
  readonly width: number;
  /** The part of the encoded frames that is picture; what lies around it is padding, and cut off when decoding. */
  readonly picture: Rectangle;
  /** The tiles that each window is cut into, in their order in the file; neighbours overlap and are blended. One tile is the whole frame. */
  readonly tiles: readonly Rectangle[];
}

/** A run of frames that is encoded together. */
export interface FilmWindow {
  /** Number of its first frame in the film, from 0. */
  readonly first: number;
  /** How many frames it has. */
  readonly frames: number;
  /** How many of its first frames also end the window before it; 0 for the first window and behind a cut. */
  readonly overlap: number;
}

/** How many channels of the planes are kept, the first ones of each. */
export interface FilmBudget {
  /** Channels of xy. */
  readonly content: number;
  /** Channels of yt and xt. */
  readonly motion: number;
}

/** How the planes were improved with the decoder fixed. */
export interface FilmRefinement {
  /** How many windows were refined; the others keep the planes that were encoded. */
  readonly windows: number;
  /** Steps over all tiles of all windows. */
  readonly steps: number;
  /** PSNR in dB over the refined windows before, frames that windows share counted in each. */
  readonly startPsnrDb: number;
  /** The same with the refined planes. */
  readonly psnrDb: number;
}

/** Everything that a film says about itself but its configuration: what formats of films have in common. */
export interface FilmFacts extends FilmPicture {
  /** The video it was made from; `frames` is the length of the film. */
  readonly source: FilmSource;
  /** The windows in their order, which cover every frame. */
  readonly windows: readonly FilmWindow[];
  /** The channels that are stored; those that are missing are 0. Absent where all are stored. */
  readonly budget?: FilmBudget | undefined;
  /** Absent when the tokenizer did not come from a file. */
  readonly checkpoint?: CheckpointReference | undefined;
  /** The program that wrote the file, with its version. */
  readonly creator?: string | undefined;
  /** The precision it was computed with, such as `bf16`; absent for fp32. */
  readonly precision?: string | undefined;
  /** Absent where no window was refined. */
  readonly refinement?: FilmRefinement | undefined;
}

/** The most windows of a film, tiles of a window, and pixels along a side of a frame. */
const most = { windows: 2 ** 20, tiles: 4096, side: 2 ** 16, text: 4096 } as const;

const count = (minimum: number, maximum = 2 ** 31) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(minimum), v.maxValue(maximum));
const text = v.pipe(v.string(), v.maxLength(most.text));
const side = count(1, most.side);
const rectangle = v.strictObject({
  top: count(0, most.side),
  left: count(0, most.side),
  height: side,
  width: side,
});
const decibels = v.pipe(v.number(), v.finite());
const filmWindow = v.strictObject({ first: count(0), frames: count(1), overlap: count(0) });
const source = v.object({
  name: v.optional(text),
  width: side,
  height: side,
  fps: v.pipe(v.number(), v.minValue(0.001), v.maxValue(1e6)),
  frames: count(1),
  start: count(0),
  stride: count(1),
  resize: v.optional(text),
  rotation: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(360))),
  timestampsSeconds: v.optional(v.array(v.pipe(v.number(), v.finite()))),
  pixelFormat: v.optional(text),
  colour: v.optional(v.object({ matrix: v.optional(text), range: v.optional(text), transfer: v.optional(text) })),
  pixelAspect: v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(10))),
  sound: v.optional(text),
  beginSeconds: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1e9))),
});
const filmFacts = v.object({
  source,
  height: side,
  width: side,
  picture: rectangle,
  tiles: v.pipe(v.array(rectangle), v.minLength(1), v.maxLength(most.tiles)),
  windows: v.pipe(v.array(filmWindow), v.minLength(1), v.maxLength(most.windows)),
  budget: v.optional(v.strictObject({ content: count(0, most.side), motion: count(0, most.side) })),
  checkpoint: v.optional(v.object({ path: text, sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) })),
  creator: v.optional(text),
  precision: v.optional(text),
  refinement: v.optional(
    v.object({ windows: count(1), steps: count(1, Number.MAX_SAFE_INTEGER), startPsnrDb: decibels, psnrDb: decibels }),
  ),
});

/**
 * Checks the facts about a film, from any source; facts that this version does not know are dropped.
 * @param stored plain data, for example parsed JSON.
 * @throws CoordTokError `config` naming the fact that is missing, out of range or at odds with another one.
 */
export function parseFilmFacts(stored: unknown): FilmFacts {
  const parsed = v.safeParse(filmFacts, stored, { abortEarly: true });
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const where = v.getDotPath(issue) ?? "the facts";
    throw new CoordTokError(
      "config",
      `Expected ${where} of a film to be ${issue.expected ?? "valid"}, got ${issue.received.slice(0, 80)}.`,
    );
  }
  const facts: FilmFacts = parsed.output;
  checkPicture(facts);
  checkWindows(facts);
  checkTimestamps(facts.source);
  return facts;
}

function disagree(problem: string): never {
  throw new CoordTokError("config", `The facts about the film do not fit each other: ${problem}.`);
}

function checkPicture({ height, width, picture, tiles }: FilmPicture): void {
  const isInside = ({ top, left, ...size }: Rectangle): boolean =>
    top + size.height <= height && left + size.width <= width;
  if (!isInside(picture)) disagree("the picture reaches beyond the frame");
  const outside = tiles.findIndex((tile) => !isInside(tile));
  if (outside >= 0) disagree(`tile ${outside} reaches beyond the frame`);
  // Tiles form a grid: every combination of a run of rows and a run of columns, each axis without a gap.
  const rows = runs(tiles.map(({ top, height: size }) => [top, size]));
  const columns = runs(tiles.map(({ left, width: size }) => [left, size]));
  const places = new Set(tiles.map(({ top, left, ...size }) => [top, left, size.height, size.width].join()));
  const isGrid = places.size === tiles.length && rows.length * columns.length === tiles.length;
  if (!isGrid || coverage(rows) !== height || coverage(columns) !== width) disagree("the tiles do not cover the frame");
}

/** The different runs `[begin, size]`, in rising order. */
function runs(all: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] {
  return [...new Map(all.map((run) => [run.join(), run])).values()].sort(([a], [b]) => a - b);
}

/** How far runs reach from 0 on without a gap. */
function coverage(all: readonly (readonly [number, number])[]): number {
  return all.reduce((end, [begin, size]) => (begin <= end ? Math.max(end, begin + size) : end), 0);
}

function checkWindows({ windows, source: { frames } }: FilmFacts): void {
  let end = 0;
  windows.forEach((window, i) => {
    const before = windows[i - 1];
    if (window.first !== end - window.overlap) disagree(`window ${i} does not follow the one before it`);
    // No frame lies in three windows.
    if (window.overlap >= window.frames || (before && before.overlap + window.overlap > before.frames))
      disagree(`window ${i} overlaps too much`);
    end = window.first + window.frames;
  });
  if (end !== frames) disagree(`the windows end at frame ${end} of ${frames}`);
}

function checkTimestamps({ timestampsSeconds: times, frames }: FilmSource): void {
  if (times === undefined) return;
  if (times.length !== frames) disagree(`there are ${times.length} timestamps for ${frames} frames`);
  if (times.some((time, i) => i > 0 && time < times[i - 1]!)) disagree("the timestamps do not rise");
}

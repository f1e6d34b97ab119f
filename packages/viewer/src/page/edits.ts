import type { ChannelBudget, FilmData, PlaneData, PlaneName, PlanesData, WindowData } from "../worker/types.js";
import type { Cell } from "./geometry.js";

/** The planes in their order everywhere. */
export const planeNames: readonly PlaneName[] = ["xy", "yt", "xt"];

/** What is done to one plane before decoding: nothing, all zeros, the mean over time everywhere, or the plane of another clip. */
export type PlaneMode = "kept" | "blank" | "frozen" | "swapped";

/** A cell of a plane that was painted. */
export interface Stroke {
  readonly window: number;
  readonly tile: number;
  readonly plane: PlaneName;
  /** Its number: outer * inner cells, inner fastest. */
  readonly cell: number;
  /** What its numbers are multiplied by: 0 erases, 2 exaggerates. */
  readonly factor: number;
}

/** A stroke on a cell. */
export function strokeOf(film: FilmData, { window, tile, plane, outer, inner }: Cell, factor: number): Stroke {
  const [, across] = film.windows[window]!.tiles[tile]![plane].shape;
  return { window, tile, plane, cell: outer * across + inner, factor };
}

/** Strokes with one more, which takes the place of an older one on its cell; the same strokes if nothing changes. */
export function withStroke(strokes: readonly Stroke[], stroke: Stroke): readonly Stroke[] {
  const isSame = (old: Stroke): boolean =>
    old.window === stroke.window && old.tile === stroke.tile && old.plane === stroke.plane && old.cell === stroke.cell;
  if (strokes.some((old) => isSame(old) && old.factor === stroke.factor)) return strokes;
  return [...strokes.filter((old) => !isSame(old)), stroke];
}

/** Everything that is done to planes before they are decoded. */
export interface Edits {
  readonly modes: Readonly<Record<PlaneName, PlaneMode>>;
  /** Cells by which yt and xt are moved along time, round the end of each window. */
  readonly shift: Readonly<Record<"yt" | "xt", number>>;
  readonly strokes: readonly Stroke[];
  /** The channels kept; absent: all. */
  readonly budget?: ChannelBudget | undefined;
}

export const noEdits: Edits = {
  modes: { xy: "kept", yt: "kept", xt: "kept" },
  shift: { yt: 0, xt: 0 },
  strokes: [],
};

/** Whether anything apart from the budget is changed. */
export function isEdited({ modes, shift, strokes }: Edits): boolean {
  return planeNames.some((name) => modes[name] !== "kept") || shift.yt !== 0 || shift.xt !== 0 || strokes.length > 0;
}

/** The film with its planes changed. Planes that stay as they are, are shared. */
export function editFilm(film: FilmData, edits: Edits, other?: FilmData): FilmData {
  const windows = film.windows.map((window, index): WindowData => ({
    ...window,
    tiles: window.tiles.map((planes, tile) => {
      const fromOther = other?.windows[index % other.windows.length]?.tiles[tile];
      return editPlanes(
        planes,
        edits,
        fromOther,
        edits.strokes.filter((s) => s.window === index && s.tile === tile),
      );
    }),
  }));
  return { ...film, windows };
}

function editPlanes(
  planes: PlanesData,
  { modes, shift, budget }: Edits,
  other: PlanesData | undefined,
  strokes: readonly Stroke[],
): PlanesData {
  const edit = (name: PlaneName): PlaneData => {
    let plane = planes[name];
    if (modes[name] === "blank") plane = { shape: plane.shape, values: new Float32Array(plane.values.length) };
    if (modes[name] === "frozen") plane = frozen(plane, name);
    if (modes[name] === "swapped" && other && sameShape(other[name], plane)) plane = other[name];
    if (name !== "xy" && shift[name] !== 0) plane = shifted(plane, shift[name]);
    const own = new Map(strokes.filter((stroke) => stroke.plane === name).map(({ cell, factor }) => [cell, factor]));
    const channels = plane.shape[2];
    const kept = budget === undefined ? channels : name === "xy" ? budget.content : budget.motion;
    return own.size === 0 && kept >= channels ? plane : scaled(plane, kept, own);
  };
  return { xy: edit("xy"), yt: edit("yt"), xt: edit("xt") };
}

function sameShape(a: PlaneData, b: PlaneData): boolean {
  return a.shape.join() === b.shape.join();
}

/** The first channels, and of some cells their numbers times a factor. */
function scaled({ shape, values }: PlaneData, kept: number, factors: ReadonlyMap<number, number>): PlaneData {
  const channels = shape[2];
  const changed = values.slice();
  if (kept < channels) for (let at = 0; at < changed.length; at += channels) changed.fill(0, at + kept, at + channels);
  for (const [cell, factor] of factors)
    for (let i = cell * channels; i < (cell + 1) * channels; i++) changed[i] = factor === 0 ? 0 : changed[i]! * factor;
  return { shape, values: changed };
}

/** The mean over time in every cell of time; xy, which has none, gets the mean over the picture. */
function frozen({ shape, values }: PlaneData, name: PlaneName): PlaneData {
  const [outer, inner, channels] = shape;
  const changed = new Float32Array(values.length);
  const row = inner * channels;
  if (name === "xy") {
    for (let channel = 0; channel < channels; channel++) {
      let sum = 0;
      for (let i = channel; i < values.length; i += channels) sum += values[i]!;
      for (let i = channel; i < values.length; i += channels) changed[i] = sum / (outer * inner);
    }
    return { shape, values: changed };
  }
  for (let at = 0; at < row; at++) {
    let sum = 0;
    for (let time = 0; time < outer; time++) sum += values[time * row + at]!;
    for (let time = 0; time < outer; time++) changed[time * row + at] = sum / outer;
  }
  return { shape, values: changed };
}

/** Moved along time, round the end. */
function shifted({ shape, values }: PlaneData, by: number): PlaneData {
  const [outer, inner, channels] = shape;
  const row = inner * channels;
  const changed = new Float32Array(values.length);
  for (let time = 0; time < outer; time++) {
    const from = (((time - by) % outer) + outer) % outer;
    changed.set(values.subarray(from * row, (from + 1) * row), time * row);
  }
  return { shape, values: changed };
}

/** How many numbers are kept of the planes of a film. */
export function storedNumbers(film: FilmData, budget?: ChannelBudget): number {
  let count = 0;
  for (const { tiles } of film.windows)
    for (const planes of tiles)
      for (const name of planeNames) {
        const [outer, inner, channels] = planes[name].shape;
        const kept = budget === undefined ? channels : name === "xy" ? budget.content : budget.motion;
        count += outer * inner * Math.min(kept, channels);
      }
  return count;
}

/** The cells of all planes of a film, the tokens of the paper. */
export function tokenCount(film: FilmData): number {
  let count = 0;
  for (const { tiles } of film.windows)
    for (const planes of tiles) for (const name of planeNames) count += planes[name].shape[0] * planes[name].shape[1];
  return count;
}

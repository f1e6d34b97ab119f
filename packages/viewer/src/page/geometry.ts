import type { Rectangle } from "@coordtok/core";
import type { FilmData, PlaneName, WindowData } from "../worker/types.js";
import type { Session } from "./session.js";
import type { Pointer } from "./state.js";

/** A cell of a plane, and the window and tile that it belongs to. */
export interface Cell {
  readonly plane: PlaneName;
  readonly window: number;
  readonly tile: number;
  readonly outer: number;
  readonly inner: number;
}

/** The number of the window whose planes a frame is decoded from; of two, the later one. */
export function windowAt(film: FilmData, frame: number): number {
  return Math.max(0, film.windows.filter(({ first }) => first <= frame).length - 1);
}

/** The size of a cell of a window in frames, rows and columns. */
export function cellSize(
  film: FilmData,
  { frames, tiles }: WindowData,
): { time: number; rows: number; columns: number } {
  const { xy, yt } = tiles[0]!;
  const tile = film.tiles[0]!;
  const time = Math.ceil(frames / yt.shape[0]);
  // Planes of padded clips reach beyond them; cells of the lattice form are 8 pixels wide.
  return { time, rows: Math.ceil(tile.height / xy.shape[0]), columns: Math.ceil(tile.width / xy.shape[1]) };
}

/** The cells that a pixel of a frame reads, one on each plane. */
export function cellsOf(film: FilmData, frame: number, x: number, y: number): Cell[] {
  const window = windowAt(film, frame);
  const data = film.windows[window]!;
  const size = cellSize(film, data);
  const tile = tileAt(film, x, y);
  const { top, left } = film.tiles[tile]!;
  const at = {
    time: Math.floor((frame - data.first) / size.time),
    rows: Math.floor((y + film.picture.top - top) / size.rows),
    columns: Math.floor((x + film.picture.left - left) / size.columns),
  };
  return [
    { plane: "xy", window, tile, outer: at.rows, inner: at.columns },
    { plane: "yt", window, tile, outer: at.time, inner: at.columns },
    { plane: "xt", window, tile, outer: at.time, inner: at.rows },
  ];
}

/** The tile whose middle is nearest to a pixel. */
function tileAt({ tiles, picture }: FilmData, x: number, y: number): number {
  const distance = ({ top, left, height, width }: Rectangle): number =>
    Math.max(
      Math.abs(y + picture.top - top - height / 2) / height,
      Math.abs(x + picture.left - left - width / 2) / width,
    );
  let best = 0;
  for (const [index, tile] of tiles.entries()) if (distance(tile) < distance(tiles[best]!)) best = index;
  return best;
}

/** The part of the frame that the pointer stands for: the patch of a pixel, or what a cell reaches at the time shown. */
export function regionOf(session: Session, pointer: Pointer): Rectangle | undefined {
  const film = session.state.get().edited;
  const { frame } = session.clock;
  if (!film) return undefined;
  if (pointer.at === "pixel") {
    const [xy] = cellsOf(film, frame, pointer.x, pointer.y);
    return regionOfCell(film, xy!);
  }
  const window = film.windows[pointer.cell.window];
  if (!window) return undefined;
  const { time } = cellSize(film, window);
  const from = window.first + pointer.cell.outer * time;
  if (pointer.cell.plane !== "xy" && !(frame >= from && frame < from + time)) return undefined;
  return regionOfCell(film, pointer.cell);
}

/** The part of the frame that a cell stands for, at the times that it reaches. */
function regionOfCell(film: FilmData, { plane, window, tile, outer, inner }: Cell): Rectangle {
  const { rows, columns } = cellSize(film, film.windows[window]!);
  const { top, left, height, width } = film.tiles[tile]!;
  const down = top - film.picture.top;
  const across = left - film.picture.left;
  if (plane === "xy") return { top: down + outer * rows, left: across + inner * columns, height: rows, width: columns };
  if (plane === "yt") return { top: down, left: across + inner * columns, height, width: columns };
  return { top: down + inner * rows, left: across, height: rows, width };
}

import { bitmapOf, colourOf, fitCanvas } from "../canvas.js";
import { planePicture } from "../colours.js";
import { cellsOf, cellSize, windowAt, type Cell } from "../geometry.js";
import type { Session } from "../session.js";
import type { PlaneView } from "../state.js";
import type { FilmData, PlaneName } from "../../worker/types.js";

/** One plane of one tile of one window, and the part of the canvas that it fills, as parts of it. */
interface Piece {
  readonly window: number;
  readonly tile: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The pieces that a canvas shows: of xy those of the window at the time shown, of the others those of all windows, time after time. */
function piecesOf(session: Session, film: FilmData, plane: PlaneName): Piece[] {
  const current = windowAt(film, session.clock.frame);
  const shown = shownTile(session, film);
  return film.windows.flatMap((window, index): Piece[] => {
    if (plane === "xy" && index !== current) return [];
    const { time, rows, columns } = cellSize(film, window);
    return film.tiles.flatMap((tile, number): Piece[] => {
      const planes = window.tiles[number]!;
      const across = { left: tile.left / film.width, width: (planes.xy.shape[1] * columns) / film.width };
      const down = { top: tile.top / film.height, height: (planes.xy.shape[0] * rows) / film.height };
      if (plane === "xy") return [{ window: index, tile: number, ...across, ...down }];
      const [begin, length] = [window.first / film.frames, (planes.yt.shape[0] * time) / film.frames];
      if (plane === "yt")
        return tile.top === shown.top ? [{ window: index, tile: number, ...across, top: begin, height: length }] : [];
      return tile.left === shown.left ? [{ window: index, tile: number, ...down, left: begin, width: length }] : [];
    });
  });
}

/** The tile that yt and xt are shown of: the one at the pointer, or the first. */
function shownTile(session: Session, film: FilmData): FilmData["tiles"][number] {
  const { pointer } = session.state.get();
  if (pointer?.at === "pixel") {
    const [xy] = cellsOf(film, session.clock.frame, pointer.x, pointer.y);
    return film.tiles[xy!.tile]!;
  }
  return film.tiles[pointer?.cell.tile ?? 0]!;
}

/** The cell at a place of a canvas, as parts of it; of overlapping windows the later one. */
export function cellAt(session: Session, plane: PlaneName, x: number, y: number): Cell | undefined {
  const film = session.state.get().edited;
  if (!film || session.state.get().planeView === "slices") return undefined;
  const piece = piecesOf(session, film, plane)
    .filter(({ left, top, width, height }) => x >= left && x < left + width && y >= top && y < top + height)
    .at(-1);
  if (!piece) return undefined;
  const [outer, inner] = film.windows[piece.window]!.tiles[piece.tile]![plane].shape;
  const [across, down] = [(x - piece.left) / piece.width, (y - piece.top) / piece.height];
  const at = plane === "xt" ? { outer: across, inner: down } : { outer: down, inner: across };
  return {
    plane,
    window: piece.window,
    tile: piece.tile,
    outer: Math.min(outer - 1, Math.floor(at.outer * outer)),
    inner: Math.min(inner - 1, Math.floor(at.inner * inner)),
  };
}

const bitmaps = new WeakMap<Float32Array, { key: string; bitmap: HTMLCanvasElement }>();

/** A plane of a tile as a picture; of xt with time along its width. */
function bitmapFor(
  session: Session,
  film: FilmData,
  { window, tile }: Piece,
  plane: PlaneName,
  view: PlaneView,
): HTMLCanvasElement {
  const data = film.windows[window]!.tiles[tile]![plane];
  const key = `${String(view)} ${String(session.basisNumber)}`;
  const before = bitmaps.get(data.values);
  if (before?.key === key) return before.bitmap;
  const picture = planePicture(data, session.basis![plane], view === "slices" ? "components" : view);
  const bitmap = bitmapOf(plane === "xt" ? transposed(picture) : picture);
  bitmaps.set(data.values, { key, bitmap });
  return bitmap;
}

function transposed(picture: ImageData): ImageData {
  const result = new ImageData(picture.height, picture.width);
  const [from, to] = [new Uint32Array(picture.data.buffer), new Uint32Array(result.data.buffer)];
  for (let y = 0; y < picture.height; y++)
    for (let x = 0; x < picture.width; x++) to[x * picture.height + y] = from[y * picture.width + x]!;
  return result;
}

/** Paints a plane, the time shown as a line, and what the pointer is at. */
export function paintPlane(session: Session, canvas: HTMLCanvasElement, plane: PlaneName): void {
  const { context, width, height } = fitCanvas(canvas);
  const { edited, planeView } = session.state.get();
  context.clearRect(0, 0, width, height);
  canvas.dataset["frame"] = String(session.clock.frame);
  if (!edited || !session.basis) return;
  context.imageSmoothingEnabled = false;
  if (planeView === "slices" && session.frames.hasOriginal) paintSlice(session, context, plane, { width, height });
  else
    for (const piece of piecesOf(session, edited, plane))
      context.drawImage(
        bitmapFor(session, edited, piece, plane, planeView),
        piece.left * width,
        piece.top * height,
        piece.width * width,
        piece.height * height,
      );
  paintMarks(session, context, edited, plane, { width, height });
}

interface Size {
  readonly width: number;
  readonly height: number;
}

function paintMarks(
  session: Session,
  context: CanvasRenderingContext2D,
  film: FilmData,
  plane: PlaneName,
  size: Size,
): void {
  const { width, height } = size;
  if (plane !== "xy") {
    const at = (session.clock.place + 0.5) / film.frames;
    context.fillStyle = "rgb(0 0 0 / 0.35)";
    if (plane === "yt") context.fillRect(0, at * height - 2, width, 4);
    else context.fillRect(at * width - 2, 0, 4, height);
    context.fillStyle = "#fff";
    if (plane === "yt") context.fillRect(0, at * height - 1, width, 2);
    else context.fillRect(at * width - 1, 0, 2, height);
  }
  const { pointer } = session.state.get();
  if (!pointer) return;
  const cells = pointer.at === "pixel" ? cellsOf(film, session.clock.frame, pointer.x, pointer.y) : [pointer.cell];
  if (pointer.at === "pixel") paintCross(session, context, plane, pointer, size);
  const cell = cells.find((one) => one.plane === plane);
  const piece =
    cell && piecesOf(session, film, plane).find((one) => one.window === cell.window && one.tile === cell.tile);
  if (!cell || !piece) return;
  const [outer, inner] = film.windows[cell.window]!.tiles[cell.tile]![plane].shape;
  const [across, down] = plane === "xt" ? [outer, inner] : [inner, outer];
  const [x, y] = plane === "xt" ? [cell.outer, cell.inner] : [cell.inner, cell.outer];
  const box = [
    (piece.left + (x / across) * piece.width) * width,
    (piece.top + (y / down) * piece.height) * height,
    (piece.width / across) * width,
    (piece.height / down) * height,
  ] as const;
  context.lineWidth = 4;
  context.strokeStyle = "rgb(0 0 0 / 0.5)";
  context.strokeRect(...box);
  context.lineWidth = 2;
  context.strokeStyle = pointer.at === "cell" ? colourOf(`--${plane}`) : "#fff";
  context.strokeRect(...box);
}

/** The row and the column of the pointer. */
function paintCross(
  session: Session,
  context: CanvasRenderingContext2D,
  plane: PlaneName,
  { x, y }: { x: number; y: number },
  { width, height }: Size,
): void {
  const across = ((x + 0.5) / session.frames.width) * width;
  const down = ((y + 0.5) / session.frames.height) * height;
  context.fillStyle = "rgb(255 255 255 / 0.55)";
  if (plane !== "xt") context.fillRect(across - 0.5, 0, 1, height);
  if (plane !== "yt") context.fillRect(0, down - 0.5, width, 1);
}

/** What the textbook draws: the frame, and one row and one column of the video over time. */
function paintSlice(
  session: Session,
  context: CanvasRenderingContext2D,
  plane: PlaneName,
  { width, height }: Size,
): void {
  const { frames, state, clock } = session;
  const { pointer } = state.get();
  const at = pointer?.at === "pixel" ? pointer : { x: Math.floor(frames.width / 2), y: Math.floor(frames.height / 2) };
  const picture = plane === "xy" ? frames.originalPicture(clock.frame) : frames.slice(plane, at);
  if (!picture) return;
  context.drawImage(bitmapOf(picture), 0, 0, width, height);
}

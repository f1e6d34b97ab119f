import { bitmapOf, colourOf, fitCanvas } from "../canvas.js";
import { regionOf } from "../geometry.js";
import type { Session } from "../session.js";
import { placeOf, type Viewport } from "../viewport.js";

/** What a canvas of the stage shows. */
export type Layer = "original" | "decoded" | "error" | "wipe";

const errorGain = 4;
/** Screen pixels for one pixel of the video from which a grid is drawn. */
const gridFrom = 9;

/** The pictures that canvases show now, made once for each. */
const made = new WeakMap<HTMLCanvasElement, { key: string; bitmap: HTMLCanvasElement | undefined }[]>();

/** Paints one canvas of the stage at the time of the clock. */
export function paintFrame(session: Session, canvas: HTMLCanvasElement, layer: Layer, viewport: Viewport): void {
  const { context, width, height } = fitCanvas(canvas);
  if (width === 0 || height === 0) return;
  const place = placeOf(viewport, width, height);
  context.clearRect(0, 0, width, height);
  const pixel = place.width / session.frames.width;
  context.imageSmoothingEnabled = pixel < 4 || viewport.scale === 1;
  context.imageSmoothingQuality = "high";
  const draw = (one: Layer, slot: number): boolean => {
    const bitmap = bitmapFor(session, canvas, one, slot);
    if (bitmap) context.drawImage(bitmap, place.left, place.top, place.width, place.height);
    return bitmap !== undefined;
  };
  if (layer === "wipe") {
    const split = session.state.get().wipe * width;
    draw("decoded", 0);
    context.save();
    context.beginPath();
    context.rect(0, 0, split, height);
    context.clip();
    draw("original", 1);
    context.restore();
    paintSplit(context, split, height);
  } else draw(layer, 0);
  canvas.dataset["frame"] = String(session.clock.frame);
  canvas.dataset["place"] = String(session.clock.place);
  if (pixel >= gridFrom) paintGrid(context, place, session);
  paintPointer(session, canvas, context, place);
}

function bitmapFor(
  session: Session,
  canvas: HTMLCanvasElement,
  layer: Layer,
  slot: number,
): HTMLCanvasElement | undefined {
  const { frames, clock, state } = session;
  const { probe, decoded } = state.get();
  const showsProbe = layer === "error" && probe !== undefined;
  const key = [
    layer,
    frames.id,
    clock.place,
    layer === "original" ? "" : decoded,
    showsProbe ? probe.number : "",
  ].join();
  const slots = made.get(canvas) ?? [];
  made.set(canvas, slots);
  const before = slots[slot];
  if (before?.key === key) return before.bitmap;
  const picture = showsProbe
    ? probe.picture
    : layer === "original"
      ? frames.originalPicture(clock.frame)
      : layer === "decoded"
        ? frames.decodedPicture(clock.place)
        : frames.errorPicture(clock.frame, errorGain);
  const bitmap = picture && bitmapOf(picture);
  slots[slot] = { key, bitmap };
  return bitmap;
}

function paintSplit(context: CanvasRenderingContext2D, split: number, height: number): void {
  context.fillStyle = "rgb(255 255 255 / 0.92)";
  context.fillRect(split - 1, 0, 2, height);
  context.beginPath();
  context.arc(split, height / 2, 13, 0, 2 * Math.PI);
  context.shadowColor = "rgb(0 0 0 / 0.35)";
  context.shadowBlur = 10;
  context.fill();
  context.shadowBlur = 0;
  context.strokeStyle = "#222";
  context.lineWidth = 1.6;
  context.beginPath();
  for (const side of [-1, 1]) {
    context.moveTo(split + side * 3.5, height / 2 - 4);
    context.lineTo(split + side * 7.5, height / 2);
    context.lineTo(split + side * 3.5, height / 2 + 4);
  }
  context.stroke();
}

function paintGrid(
  context: CanvasRenderingContext2D,
  place: { left: number; top: number; width: number; height: number },
  { frames }: Session,
): void {
  const pixel = place.width / frames.width;
  context.lineWidth = 1;
  context.strokeStyle = "rgb(128 128 128 / 0.35)";
  context.beginPath();
  const { canvas } = context;
  for (let x = 0; x <= frames.width; x++) {
    const at = Math.round(place.left + x * pixel) + 0.5;
    if (at >= 0 && at <= canvas.clientWidth) {
      context.moveTo(at, 0);
      context.lineTo(at, canvas.clientHeight);
    }
  }
  for (let y = 0; y <= frames.height; y++) {
    const at = Math.round(place.top + y * pixel) + 0.5;
    if (at >= 0 && at <= canvas.clientHeight) {
      context.moveTo(0, at);
      context.lineTo(canvas.clientWidth, at);
    }
  }
  context.stroke();
}

/** Draws what the pointer is at: the patch of a pixel, or the pixels that a cell stands for. */
function paintPointer(
  session: Session,
  canvas: HTMLCanvasElement,
  context: CanvasRenderingContext2D,
  place: { left: number; top: number; width: number; height: number },
): void {
  const { pointer } = session.state.get();
  if (!pointer) return;
  const region = regionOf(session, pointer);
  if (!region) return;
  const [across, down] = [place.width / session.frames.width, place.height / session.frames.height];
  const box = [
    place.left + region.left * across,
    place.top + region.top * down,
    region.width * across,
    region.height * down,
  ] as const;
  context.lineWidth = 3;
  context.strokeStyle = "rgb(0 0 0 / 0.45)";
  context.strokeRect(...box);
  context.lineWidth = 1.5;
  context.strokeStyle = pointer.at === "cell" ? colourOf(`--${pointer.cell.plane}`) : "#fff";
  context.strokeRect(...box);
}

import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Session } from "./session.js";

/** Fits the pixels of a canvas to its place on the screen; gives its context and size in CSS pixels. */
export function fitCanvas(canvas: HTMLCanvasElement): {
  readonly context: CanvasRenderingContext2D;
  readonly width: number;
  readonly height: number;
} {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = Math.min(3, globalThis.devicePixelRatio || 1);
  const [columns, rows] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d")!;
  context.setTransform(columns / Math.max(1, width), 0, 0, rows / Math.max(1, height), 0, 0);
  return { context, width, height };
}

const colours = new Map<string, string>();
if (typeof matchMedia !== "undefined")
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    colours.clear();
    paintSoon();
  });

/** A colour of the style sheet; looked up once, since asking for it makes the browser lay out the page. */
export function colourOf(name: string): string {
  const known = colours.get(name) ?? getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  colours.set(name, known);
  return known;
}

/** A picture as something that can be drawn scaled. */
export function bitmapOf(picture: ImageData): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d")!.putImageData(picture, 0, 0);
  return canvas;
}

/**
 * Paints a canvas when the clock, the state or the size of the canvas changes, at most once for each picture of the screen. All canvases of the
 * page are painted in the same turn, so that they show the same frame.
 */
export function usePaint(
  session: Session,
  paint: (canvas: HTMLCanvasElement) => void,
): RefObject<HTMLCanvasElement | null> {
  const reference = useRef<HTMLCanvasElement>(null);
  const newest = useRef(paint);
  newest.current = paint;
  useEffect(() => {
    const canvas = reference.current!;
    const painter = { paint: () => newest.current(canvas) };
    painters.add(painter);
    const observer = new ResizeObserver(() => paintSoon());
    observer.observe(canvas);
    let drawn = drawnOf(session);
    const onState = (): void => {
      const before = drawn;
      drawn = drawnOf(session);
      if (drawn.some((value, i) => value !== before[i])) paintSoon();
    };
    const leave = [session.clock.subscribe(paintSoon), session.state.subscribe(onState)];
    paintSoon();
    return () => {
      painters.delete(painter);
      observer.disconnect();
      for (const end of leave) end();
    };
  }, [session]);
  return reference;
}

/** The parts of the state that canvases show; progress, for example, is not among them. */
function drawnOf({ state }: Session): readonly unknown[] {
  const { film, edited, decoded, view, wipe, viewport, planeView, pointer, probe, shown } = state.get();
  return [film, edited, decoded, view, wipe, viewport, planeView, pointer, probe, shown];
}

const painters = new Set<{ readonly paint: () => void }>();
let request: number | undefined;

/** Paints all canvases before the next picture of the screen. */
export function paintSoon(): void {
  request ??= requestAnimationFrame(() => {
    request = undefined;
    for (const { paint } of painters) paint();
  });
}

import type { Rectangle } from "@coordtok/core";

/** The part of the frame that is shown, the same on all canvases. */
export interface Viewport {
  /** How much larger than the whole frame in its place; 1 shows all of it. */
  readonly scale: number;
  /** The middle of what is shown, as parts of width and height. */
  readonly x: number;
  readonly y: number;
}

export const wholeFrame: Viewport = { scale: 1, x: 0.5, y: 0.5 };

const largestScale = 32;

/** Where the frame lies on a canvas of a size, in its pixels. */
export function placeOf(
  viewport: Viewport,
  width: number,
  height: number,
): { left: number; top: number; width: number; height: number } {
  const [wide, high] = [width * viewport.scale, height * viewport.scale];
  return { left: width / 2 - viewport.x * wide, top: height / 2 - viewport.y * high, width: wide, height: high };
}

/** Zooms so that a place of the canvas, as parts of it, stays where it is. */
export function zoomed(viewport: Viewport, factor: number, at: { readonly x: number; readonly y: number }): Viewport {
  const scale = Math.min(largestScale, Math.max(1, viewport.scale * factor));
  const frameX = viewport.x + (at.x - 0.5) / viewport.scale;
  const frameY = viewport.y + (at.y - 0.5) / viewport.scale;
  return inside({ scale, x: frameX - (at.x - 0.5) / scale, y: frameY - (at.y - 0.5) / scale });
}

/** Moves by parts of the canvas. */
export function moved(viewport: Viewport, x: number, y: number): Viewport {
  return inside({ ...viewport, x: viewport.x - x / viewport.scale, y: viewport.y - y / viewport.scale });
}

/** The pixels of a frame that are shown. */
export function shownPart({ scale, x, y }: Viewport, height: number, width: number): Rectangle {
  const span = (middle: number, size: number): [number, number] => {
    const begin = Math.min(size - 1, Math.max(0, Math.floor((middle - 0.5 / scale) * size)));
    const end = Math.max(begin + 1, Math.min(size, Math.ceil((middle + 0.5 / scale) * size)));
    return [begin, end - begin];
  };
  const [[left, wide], [top, high]] = [span(x, width), span(y, height)];
  return { top, left, height: high, width: wide };
}

function inside({ scale, x, y }: Viewport): Viewport {
  const half = 0.5 / scale;
  const clamp = (value: number): number => Math.min(1 - half, Math.max(half, value));
  return { scale, x: clamp(x), y: clamp(y) };
}

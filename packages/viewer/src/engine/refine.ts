import { checkRgbClip, clipFromRgb, CoordTokError, disposeTree, type Rectangle } from "@coordtok/core";
import { refine } from "@coordtok/tokenizer/refine";
import type { AnyTokenizer } from "@coordtok/tokenizer";
import type { FilmData, FramesData, PlanesData, RefineSettings, WindowData } from "../worker/types.js";
import { buffersOf, planesData, triplaneOf } from "./film-data.js";
import { modelOf } from "./models.js";
import type { WorkContext } from "./handlers.js";

/** Improves the planes of a film, window by window; each is sent as it comes. */
export async function refineFilm(
  film: FilmData,
  frames: FramesData,
  { steps = 20, windows: chosen }: RefineSettings,
  { signal, onProgress, emit }: WorkContext,
): Promise<FilmData> {
  checkRgbClip(frames);
  if (frames.frameCount !== film.frames || frames.height !== film.height || frames.width !== film.width)
    throw new CoordTokError(
      "shape",
      `Expected the ${String(film.frames)} frames of ${String(film.width)}x${String(film.height)} that were encoded, got ${String(frames.frameCount)} of ${String(frames.width)}x${String(frames.height)}.`,
    );
  const { tokenizer } = modelOf(film.model);
  const order = chosen ?? film.windows.map((_, i) => i);
  const total = order.length * film.tiles.length * steps;
  const windows: WindowData[] = [...film.windows];
  let done = 0;
  for (const index of order) {
    const window = windows[index];
    if (!window) throw new CoordTokError("input", `The film has no window ${String(index)}.`);
    const tiles: PlanesData[] = [];
    for (const [tile, planes] of window.tiles.entries()) {
      const clip = cut(frames, window, film.tiles[tile]!);
      const refined = await refineTile(tokenizer, clip, planes, steps, {
        signal,
        onProgress: (event) => onProgress({ ...event, done: done + event.done, total }),
      });
      tiles.push(refined);
      done += steps;
    }
    const better = { ...window, tiles };
    windows[index] = better;
    const sent = structuredClone(better);
    emit({ window: { window: sent, index } }, buffersOf(sent));
    if (signal.aborted) break;
  }
  return { ...film, windows };
}

async function refineTile(
  tokenizer: AnyTokenizer,
  frames: FramesData,
  planes: PlanesData,
  steps: number,
  options: Pick<WorkContext, "signal" | "onProgress">,
): Promise<PlanesData> {
  const triplane = triplaneOf(planes);
  const clip = clipFromRgb([frames]);
  try {
    const refined = await refine(tokenizer, clip, triplane, { steps, ...options });
    try {
      return await planesData(refined.triplane);
    } finally {
      disposeTree(refined.triplane);
    }
  } finally {
    disposeTree([triplane, clip.frames]);
  }
}

/** The frames of a window, cut to a tile. */
function cut(
  { data, height, width }: FramesData,
  { first, frames }: Pick<WindowData, "first" | "frames">,
  tile: Rectangle,
): FramesData {
  const cutData = new Uint8Array(frames * tile.height * tile.width * 3);
  let at = 0;
  for (let frame = first; frame < first + frames; frame++)
    for (let row = tile.top; row < tile.top + tile.height; row++) {
      const begin = ((frame * height + row) * width + tile.left) * 3;
      cutData.set(data.subarray(begin, begin + tile.width * 3), at);
      at += tile.width * 3;
    }
  return { data: cutData, frameCount: frames, height: tile.height, width: tile.width };
}

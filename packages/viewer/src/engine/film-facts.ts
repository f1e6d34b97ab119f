import { parseFilmFacts, type FilmFacts } from "@coordtok/triplane";
import type { FilmData } from "../worker/types.js";
import type { LoadedModel } from "./models.js";

/** What a file says about a film: what an opened file said, or what is known of one that was encoded here. */
export function filmFacts(film: FilmData, { reference }: LoadedModel, name: string | undefined): FilmFacts {
  const { height, width, picture, tiles, frames, fps, windows, origin } = film;
  const cut = {
    height,
    width,
    picture,
    tiles,
    windows: windows.map((window) => ({ first: window.first, frames: window.frames, overlap: window.overlap })),
  };
  if (origin !== undefined) return { ...parseFilmFacts(origin.facts), ...cut };
  return {
    source: { ...(name === undefined ? {} : { name }), width, height, fps, frames, start: 0, stride: 1 },
    ...cut,
    ...(reference && { checkpoint: reference }),
    creator: "@coordtok/viewer",
  };
}

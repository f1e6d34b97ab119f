import { CoordTokError, disposeTree } from "@coordtok/core";
import type { TriplaneWindow } from "coordtok/film";
import type { AnyTokenizerConfig } from "@coordtok/tokenizer";
import { mapPlanes, planeNames, type FilmFile, type Triplane } from "@coordtok/triplane";
import { tensor4d } from "@tensorflow/tfjs-core";
import type { FilmData, PlaneData, PlanesData, WindowData } from "../worker/types.js";

/** The planes of one clip as plain data. */
export async function planesData(triplane: Triplane): Promise<PlanesData> {
  const entries = await Promise.all(
    planeNames.map(async (name): Promise<[string, PlaneData]> => {
      const [, outer, inner, channels] = triplane[name].shape;
      const values = (await triplane[name].data()) as Float32Array;
      return [name, { shape: [outer, inner, channels], values: Float32Array.from(values) }];
    }),
  );
  return Object.fromEntries(entries) as unknown as PlanesData;
}

/** Plain data as the planes of one clip, owned by the caller. */
export function triplaneOf(planes: PlanesData): Triplane {
  for (const name of planeNames) {
    const { shape, values } = planes[name];
    if (values.length !== shape[0] * shape[1] * shape[2])
      throw new CoordTokError(
        "shape",
        `Expected ${shape.join(" x ")} numbers for plane ${name}, got ${String(values.length)}.`,
      );
  }
  return mapPlanes((name) => tensor4d(planes[name].values, [1, ...planes[name].shape]));
}

/** The buffers of a window, to be moved. */
export function buffersOf({ tiles }: WindowData): Transferable[] {
  return tiles.flatMap((planes) => planeNames.map((name) => planes[name].values.buffer));
}

/** A window of a stream as plain data; its tensors are freed. */
export async function windowData({ first, frames, overlap, triplanes }: TriplaneWindow): Promise<WindowData> {
  try {
    return { first, frames, overlap, tiles: await Promise.all(triplanes.map(planesData)) };
  } finally {
    disposeTree([...triplanes]);
  }
}

/** A film in memory as `decodeFilm` reads films from files. */
export function filmFile(film: FilmData, config: AnyTokenizerConfig): FilmFile<AnyTokenizerConfig> {
  const { frames, fps, height, width, picture, tiles, windows } = film;
  return {
    version: 2,
    config,
    source: { width, height, fps, frames, start: 0, stride: 1 },
    height,
    width,
    picture,
    tiles,
    windows,
    dtype: "F32",
    hasDecoder: false,
    readWindow: async (window, { tile = 0 } = {}) => {
      const planes = windows[window]?.tiles[tile];
      if (!planes)
        throw new CoordTokError("input", `The film has no tile ${String(tile)} of window ${String(window)}.`);
      return triplaneOf(planes);
    },
    readDecoder: () => {
      throw new CoordTokError("checkpoint", "A film in memory carries no decoder.");
    },
  };
}

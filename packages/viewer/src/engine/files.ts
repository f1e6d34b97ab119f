import { CoordTokError, disposeTree } from "@coordtok/core";
import { tokenizerForm } from "coordtok/film";
import { encodeFilm, openFilm, packTriplane, type StoredPlane } from "@coordtok/triplane";
import { asJson } from "@coordtok/core/text";
import type { FilmData, OpenedFilm, PlanesData, SaveSettings, WindowData } from "../worker/types.js";
import { planesData, triplaneOf } from "./film-data.js";
import { modelOf } from "./models.js";
import type { WorkContext } from "./handlers.js";

/** Reads all planes of a file of planes. */
export async function openFile(file: Blob, { signal, onProgress }: WorkContext): Promise<OpenedFilm> {
  const film = await openFilm(file, tokenizerForm);
  const { facts, tokenizer } = modelOf();
  if (JSON.stringify(film.config) !== JSON.stringify(tokenizer.config))
    throw new CoordTokError(
      "checkpoint",
      `The planes of this file come from another tokenizer than ${facts.id}; load the checkpoint that made them first.`,
    );
  const windows: WindowData[] = [];
  for (const [index, { first, frames, overlap }] of film.windows.entries()) {
    const tiles: PlanesData[] = [];
    for (const tile of film.tiles.keys()) {
      const triplane = await film.readWindow(index, { tile, signal });
      tiles.push(await planesData(triplane));
      disposeTree(triplane);
    }
    windows.push({ first, frames, overlap, tiles });
    onProgress({ task: "read planes", done: index + 1, total: film.windows.length, unit: "windows" });
  }
  const { height, width, picture, tiles, source } = film;
  const data: FilmData = {
    model: facts.id,
    frames: source.frames,
    fps: source.fps,
    height,
    width,
    picture,
    tiles,
    windows,
  };
  return { film: data, name: source.name, bytes: file.size };
}

/** Writes a film as a `.triplane.safetensors` file. */
export async function saveFile(
  film: FilmData,
  { dtype = "F32", budget, name }: SaveSettings,
  { signal }: WorkContext,
): Promise<Blob> {
  const { tokenizer } = modelOf(film.model);
  const stored: StoredPlane[] = [];
  for (const { tiles } of film.windows)
    for (const planes of tiles) {
      const triplane = triplaneOf(planes);
      try {
        stored.push(...(await packTriplane(triplane, { dtype, budget })));
      } finally {
        disposeTree(triplane);
      }
    }
  const { height, width, picture, tiles, frames, fps, windows } = film;
  const facts = {
    config: asJson(tokenizer.config),
    source: { name, width, height, fps, frames, start: 0, stride: 1 },
    height,
    width,
    picture,
    tiles,
    windows: windows.map((window) => ({ first: window.first, frames: window.frames, overlap: window.overlap })),
    ...(budget && { budget }),
    creator: "@coordtok/viewer",
  };
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const part of encodeFilm(facts, stored)) {
    if (signal.aborted) throw new CoordTokError("aborted", "Stopped on request.");
    parts.push(Uint8Array.from(part));
  }
  return new Blob(parts, { type: "application/octet-stream" });
}

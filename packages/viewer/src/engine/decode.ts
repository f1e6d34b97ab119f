import { macrotask, throwIfAborted } from "@coordtok/core";
import { decodeFilm } from "coordtok/film";
import type { DecodeSettings, FilmData } from "../worker/types.js";
import { filmFile } from "./film-data.js";
import { modelOf } from "./models.js";
import type { WorkContext } from "./handlers.js";

/** Decodes frames in the order wanted, some at a time; each is sent as it comes. */
export async function decodeFrames(
  film: FilmData,
  { positions, rectangle }: DecodeSettings,
  { signal, onProgress, emit }: WorkContext,
): Promise<{ frames: number }> {
  const { facts, tokenizer } = modelOf(film.model);
  const file = filmFile(film, tokenizer.config);
  const wanted = positions ?? Array.from({ length: film.frames }, (_, i) => i);
  let done = 0;
  for (const run of runsOf(wanted, facts.patch.frames)) {
    throwIfAborted(signal);
    let at = 0;
    for await (const { height, width, data } of decodeFilm(file, {
      model: tokenizer,
      positions: run,
      rectangle,
      signal,
    })) {
      const own = Uint8Array.from(data);
      emit({ frame: { position: run[at++]!, height, width, data: own } }, [own.buffer]);
    }
    done += run.length;
    onProgress({ task: "decode", done, total: wanted.length, unit: "frames" });
    // An abort may wait to be received.
    await macrotask();
  }
  return { frames: done };
}

/** Positions that follow each other and lie in the same block of frames, so that the first frames appear soon. */
function runsOf(positions: readonly number[], block: number): number[][] {
  const runs: number[][] = [];
  for (const position of positions) {
    const run = runs.at(-1);
    if (run && Math.floor(run[0]! / block) === Math.floor(position / block)) run.push(position);
    else runs.push([position]);
  }
  return runs;
}

import { isCoordTokError } from "@coordtok/core";
import type { CoordTokWorker } from "../worker/client.js";
import type { FilmData } from "../worker/types.js";
import { errorPicture } from "./colours.js";
import { editFilm, noEdits, strokeOf } from "./edits.js";
import type { Frames } from "./frames.js";
import type { Cell } from "./geometry.js";
import type { Probe } from "./state.js";

/** What a probe needs; without a worker, which may have other work, nothing is probed. */
interface Probed {
  readonly film: FilmData | undefined;
  readonly frames: Frames;
  readonly frame: number;
  readonly worker: CoordTokWorker | undefined;
}

const waitMilliseconds = 120;
const gain = 4;

/** Finds out what a cell changes by decoding a frame without it, once the pointer rests. */
export class Prober {
  readonly #probed: () => Probed;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: AbortController | undefined;
  #count = 0;

  constructor(probed: () => Probed) {
    this.#probed = probed;
  }

  probeSoon(cell: Cell, onProbe: (probe: Probe) => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#probe(cell, onProbe), waitMilliseconds);
  }

  async #probe(cell: Cell, onProbe: (probe: Probe) => void): Promise<void> {
    const { film, frames, frame, worker } = this.#probed();
    const before = frames.decoded(frame);
    if (!film || !before || !worker) return;
    this.#running?.abort();
    const stop = new AbortController();
    this.#running = stop;
    const without = editFilm(film, { ...noEdits, strokes: [strokeOf(film, cell, 0)] });
    try {
      const [decoded] = await worker.decode(without, { positions: [frame], signal: stop.signal });
      if (!decoded || stop.signal.aborted) return;
      onProbe({
        number: this.#count++,
        picture: errorPicture(before, decoded.data, frames.width, frames.height, gain),
      });
    } catch (thrown) {
      // The pointer has moved on, or the worker was replaced.
      if (!isCoordTokError(thrown) || thrown.code !== "aborted") throw thrown;
    }
  }
}

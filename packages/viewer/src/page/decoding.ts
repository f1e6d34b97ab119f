import type { LongCallOptions } from "@coordtok/core";
import type { CoordTokWorker } from "../worker/client.js";
import type { FilmData, WindowData } from "../worker/types.js";
import type { Clock } from "./clock.js";
import type { Frames } from "./frames.js";
import type { PageState } from "./state.js";
import { soon, type Store } from "./store.js";
import { shownPart } from "./viewport.js";

/** What decoding needs. */
interface Decoded {
  readonly film: FilmData | undefined;
  readonly frames: Frames;
  readonly clock: Clock;
  readonly state: Store<PageState>;
  readonly worker: CoordTokWorker | undefined;
  /** Whether other work says what is being done. */
  readonly hasOtherWork: boolean;
  readonly report: (thrown: unknown) => void;
}

/** Decodes the film that is shown: what is on the screen first, the rest after it. */
export class Decoding {
  readonly #decoded: () => Decoded;
  #running: AbortController | undefined;

  constructor(decoded: () => Decoded) {
    this.#decoded = decoded;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  stop(): void {
    this.#running?.abort();
  }

  async decode(): Promise<void> {
    const { film, worker, state, hasOtherWork, report } = this.#decoded();
    if (!film || !worker) return;
    this.stop();
    const stop = new AbortController();
    this.#running = stop;
    if (!hasOtherWork) state.set({ error: undefined, busy: { what: "Decoding", done: 0, unit: "" } });
    try {
      await this.#decodeAll(film, worker, stop.signal);
    } catch (thrown) {
      report(thrown);
    }
    if (this.#running !== stop) return;
    this.#running = undefined;
    const { decoded } = state.get();
    state.set({ decoded: decoded + 1, ...(this.#decoded().hasOtherWork ? {} : { busy: undefined }) });
  }

  async #decodeAll(film: FilmData, worker: CoordTokWorker, signal: AbortSignal): Promise<void> {
    const { frames, clock, state } = this.#decoded();
    frames.dropBetween();
    const positions = positionsOf(frames, clock, state.get());
    const part = shownPart(state.get().viewport, frames.height, frames.width);
    const begin = performance.now();
    const secondsSoFar = (): number => (performance.now() - begin) / 1000;
    await worker.decode(film, {
      positions: positions.slice(0, 1),
      rectangle: part,
      signal,
      onFrame: ({ position, data }) => {
        if (signal.aborted) return;
        frames.putPart(position, part, data);
        const timing = { height: part.height, width: part.width, firstSeconds: secondsSoFar() };
        state.set({ decoded: state.get().decoded + 1, timing });
      },
    });
    await worker.decode(film, {
      positions,
      signal,
      onProgress: ({ done, total }) => {
        if (!this.#decoded().hasOtherWork) state.set({ busy: { what: "Decoding", done, total, unit: "frames" } });
      },
      onFrame: ({ position, data }) => {
        if (signal.aborted) return;
        frames.put(position, data);
        this.#showSoon();
      },
    });
    const { timing } = state.get();
    if (timing && !signal.aborted) state.set({ timing: { ...timing, allSeconds: secondsSoFar() } });
  }

  /** Decodes the frames of one window again, so that it is seen and measured at once. */
  async decodeWindow({ first, frames: count }: WindowData, { signal }: LongCallOptions): Promise<void> {
    const { film, frames, worker } = this.#decoded();
    await worker!.decode(film!, {
      positions: Array.from({ length: count }, (_, i) => first + i),
      signal,
      onFrame: ({ position, data }) => {
        frames.put(position, data);
        this.#showSoon();
      },
    });
  }

  /** Tells components of decoded frames, of all that come within a moment at once. */
  readonly #showSoon = soon(() => {
    const { state } = this.#decoded();
    state.set({ decoded: state.get().decoded + 1 });
  }, 60);
}

/** The places that are decoded: the one shown, those that follow it, and those before. */
function positionsOf({ count }: Frames, { frame, grain: wanted }: Clock, { model }: PageState): number[] {
  const grain = model?.form === "paper" ? wanted : 1;
  const places = Array.from({ length: Math.floor((count - 1) / grain + 1e-6) + 1 }, (_, i) => i * grain);
  const block = model?.patch.frames ?? 1;
  const first = Math.floor(frame / block) * block;
  return [
    frame,
    ...places.filter((place) => place >= first && place !== frame),
    ...places.filter((place) => place < first),
  ];
}

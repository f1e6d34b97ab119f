import { isCoordTokError, messageOf, type LongCallOptions, type ProgressEvent } from "@coordtok/core";
import type { PageState } from "./state.js";
import type { Store } from "./store.js";

/** The one piece of work that the page does at a time, and what is said of it. */
export class Work {
  readonly #state: Store<PageState>;
  #running: AbortController | undefined;

  constructor(state: Store<PageState>) {
    this.#state = state;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Runs work that replaces what runs, shows its progress, and turns errors into sentences. */
  async run<T>(what: string, work: (options: LongCallOptions) => Promise<T>): Promise<T | undefined> {
    this.stop();
    const stop = new AbortController();
    this.#running = stop;
    this.#state.set({ error: undefined, busy: { what, done: 0, unit: "" } });
    const onProgress = ({ done, total, unit, detail }: ProgressEvent): void => {
      if (this.#running === stop) this.#state.set({ busy: { what, done, total, unit, detail } });
    };
    try {
      return await work({ signal: stop.signal, onProgress });
    } catch (thrown) {
      this.report(thrown);
      return undefined;
    } finally {
      if (this.#running === stop) {
        this.#running = undefined;
        this.#state.set({ busy: undefined });
      }
    }
  }

  stop(): void {
    this.#running?.abort();
  }

  /** Shows what went wrong; being stopped is nothing wrong. */
  report(thrown: unknown): void {
    if (isCoordTokError(thrown) && thrown.code === "aborted") return;
    const sentence = isCoordTokError(thrown) ? thrown.sentence : `This is a bug of the page: ${messageOf(thrown)}`;
    this.#state.set({ error: sentence });
  }

  showError(sentence: string | undefined): void {
    this.#state.set({ error: sentence, ...(this.#running ? {} : { busy: undefined }) });
  }
}

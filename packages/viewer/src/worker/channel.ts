import {
  CoordTokError,
  throwIfAborted,
  type ErrorCode,
  type LongCallOptions,
  type ProgressEvent,
} from "@coordtok/core";
import type { CallTable, ErrorData, Reply, Request } from "./messages.js";

/** What a call is told while it runs. */
export interface CallOptions<Event> extends LongCallOptions {
  /** Called with each event of the call. */
  readonly onEvent?: ((event: Event) => void) | undefined;
  /** Buffers that move to the worker instead of being copied; they are empty afterwards. */
  readonly transfer?: readonly Transferable[] | undefined;
}

interface Pending {
  readonly done: (give: unknown) => void;
  readonly fail: (error: unknown) => void;
  readonly onProgress: ((event: ProgressEvent) => void) | undefined;
  readonly onEvent: ((event: unknown) => void) | undefined;
}

/** Calls to a worker: each has a number, progress, events, one answer, and can be stopped. */
export class Channel<T extends CallTable<T>> {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #next = 0;
  #closed: CoordTokError | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<Reply>) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      const reason = event.message || "its program was not found";
      this.#end(new CoordTokError("backend", `The worker stopped: ${reason}; reload the page.`));
    };
  }

  call<Name extends keyof T & string>(
    call: Name,
    take: T[Name]["take"],
    options: CallOptions<T[Name]["event"]> = {},
  ): Promise<T[Name]["give"]> {
    const { signal, onProgress, onEvent, transfer = [] } = options;
    return new Promise<T[Name]["give"]>((done, fail) => {
      if (this.#closed) throw this.#closed;
      throwIfAborted(signal);
      const id = this.#next++;
      const abort = (): void => this.#worker.postMessage({ id, abort: true } satisfies Request);
      signal?.addEventListener("abort", abort, { once: true });
      const settle = <T>(then: (value: T) => void) => {
        return (value: T): void => {
          signal?.removeEventListener("abort", abort);
          this.#pending.delete(id);
          then(value);
        };
      };
      this.#pending.set(id, {
        done: settle(done),
        fail: settle(fail),
        onProgress,
        onEvent: onEvent,
      });
      this.#worker.postMessage({ id, call, take } satisfies Request, [...transfer]);
    });
  }

  /** Ends the worker; calls that run fail with code `aborted`. */
  close(): void {
    this.#end(new CoordTokError("aborted", "The worker was disposed of."));
  }

  #end(error: CoordTokError): void {
    this.#closed ??= error;
    this.#worker.terminate();
    for (const { fail } of [...this.#pending.values()]) fail(error);
  }

  #receive(reply: Reply): void {
    const call = this.#pending.get(reply.id);
    if (!call) return;
    if ("progress" in reply) call.onProgress?.(reply.progress);
    else if ("event" in reply) call.onEvent?.(reply.event);
    else if ("give" in reply) call.done(reply.give);
    else call.fail(errorOf(reply.error));
  }
}

function errorOf({ code, message, stack }: ErrorData): Error {
  if (code !== undefined) return new CoordTokError(code as ErrorCode, message);
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

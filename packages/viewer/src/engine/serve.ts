import { CoordTokError, isCoordTokError, messageOf, type ProgressEvent } from "@coordtok/core";
import type { CallTable, ErrorData, Reply, Request } from "../worker/messages.js";

/** What a handler is given beside its arguments. */
export interface HandlerContext<Event> {
  readonly signal: AbortSignal;
  readonly onProgress: (event: ProgressEvent) => void;
  /** Sends an event; the buffers move. */
  readonly emit: (event: Event, transfer?: readonly Transferable[]) => void;
}

/** What does the work of each call. */
export type Handlers<T extends CallTable<T>> = {
  readonly [Name in keyof T]: (
    take: T[Name]["take"],
    context: HandlerContext<T[Name]["event"]>,
  ) => Promise<T[Name]["give"]> | T[Name]["give"];
};

/** Answers the calls of a page, one after the other, until the worker ends. */
export function serve<T extends CallTable<T>>(handlers: Handlers<T>): void {
  const scope = globalThis as unknown as WorkerScope;
  const running = new Map<number, AbortController>();
  let last: Promise<void> = Promise.resolve();
  scope.onmessage = ({ data }: MessageEvent<Request>) => {
    if ("abort" in data) {
      running.get(data.id)?.abort();
      return;
    }
    const { id, call, take } = data;
    const stop = new AbortController();
    running.set(id, stop);
    const send = (reply: Reply, transfer: readonly Transferable[] = []): void =>
      scope.postMessage(reply, [...transfer]);
    const run = async (): Promise<void> => {
      try {
        const handler: AnyHandler | undefined = Object.hasOwn(handlers, call) ? handlers[call as keyof T] : undefined;
        if (!handler) throw new CoordTokError("usage", `The worker has no call "${call}".`);
        if (stop.signal.aborted) throw new CoordTokError("aborted", "Stopped on request.");
        const give = await handler(take, {
          signal: stop.signal,
          onProgress: (progress) => send({ id, progress }),
          emit: (event, transfer) => send({ id, event }, transfer),
        });
        send({ id, give });
      } catch (thrown) {
        send({ id, error: errorData(thrown) });
      } finally {
        running.delete(id);
      }
    };
    last = last.then(run);
  };
}

/** What the global object of a worker has. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<Request>) => void) | null;
  postMessage(message: Reply, transfer: Transferable[]): void;
}

type AnyHandler = (take: unknown, context: HandlerContext<unknown>) => unknown;

function errorData(thrown: unknown): ErrorData {
  if (isCoordTokError(thrown)) return { code: thrown.code, message: thrown.sentence };
  return { message: messageOf(thrown), stack: thrown instanceof Error ? thrown.stack : undefined };
}

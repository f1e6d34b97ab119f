/** The progress of a long call. Libraries emit these events; only front ends draw them. */
export interface ProgressEvent {
  /** The present task, a short phrase such as `decode` or `download TensorFlow`. */
  readonly task: string;
  /** The work done, in `unit`s, from 0. */
  readonly done: number;
  /** The work in all, in `unit`s; absent if unknown. */
  readonly total?: number;
  /** The things counted, such as `frames`, `patches`, `bytes` or `steps`. */
  readonly unit: string;
  /** Figures worth showing beside the bar, such as `loss 0.0123`. */
  readonly detail?: string;
}

/** Receives the progress of a long call. It must not throw. */
export type OnProgress = (event: ProgressEvent) => void;

/** The options that every long call has. */
export interface LongCallOptions {
  /** Stops the call; it then throws a `CoordTokError` with code `aborted` and leaves nothing half-written. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the progress of the call. */
  readonly onProgress?: OnProgress | undefined;
}

/** Callbacks for messages to people. */
export interface Notices {
  /** Called with each warning, one sentence. */
  readonly onWarning?: ((sentence: string) => void) | undefined;
  /** Called with each note, one line. */
  readonly onNote?: ((line: string) => void) | undefined;
}

/** Resolves after one turn of the event loop, so that signals and timers are served during a long computation. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

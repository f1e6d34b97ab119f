/** One step of a long call. Libraries emit these; only front ends draw them. */
export interface ProgressEvent {
  /** What is being done, a short phrase such as `decode` or `download TensorFlow`. */
  readonly task: string;
  /** How much is done, in `unit`s, from 0. */
  readonly done: number;
  /** How much there is to do, in `unit`s; absent when unknown. */
  readonly total?: number;
  /** What is counted: `frames`, `patches`, `bytes`, `steps`. */
  readonly unit: string;
  /** Figures worth showing beside the bar, such as `loss 0.0123`. */
  readonly detail?: string;
}

/** Receives the progress of a long call. It must not throw. */
export type OnProgress = (event: ProgressEvent) => void;

/** The two options of every long call. */
export interface LongCallOptions {
  /** Stops the call; it then throws a `CoordTokError` with code `aborted` and leaves nothing half-written. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the progress of the call. */
  readonly onProgress?: OnProgress | undefined;
}

/** The callbacks of a long call for people. */
export interface Notices {
  /** Called with what may be wrong, one sentence each. */
  readonly onWarning?: ((sentence: string) => void) | undefined;
  /** Called with what is worth knowing, one line each. */
  readonly onNote?: ((line: string) => void) | undefined;
}

/** Lets the event loop run once, so that signals and timers are served during a long computation. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

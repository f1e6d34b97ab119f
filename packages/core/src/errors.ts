/** What went wrong, in one word that programs can test. */
export type ErrorCode =
  | "aborted"
  | "backend"
  | "checkpoint"
  | "config"
  | "ffmpeg"
  | "file-exists"
  | "file-format"
  | "file-not-found"
  | "file-read"
  | "file-write"
  | "input"
  | "memory"
  | "not-a-video"
  | "setup"
  | "shape"
  | "unsupported"
  | "usage";

const marker = Symbol.for("coordtok.error");

/**
 * The one error class of the project. Its message is one sentence that says what was expected, what came and what to do;
 * it is meant to be shown to a person without a stack trace. Any other error class is a bug.
 */
export class CoordTokError extends Error {
  /** The name of the class, as stack traces show it. */
  override readonly name = "CoordTokError";
  /** What went wrong, for programs. */
  readonly code: ErrorCode;
  /** More lines that help to find the cause (the tail of a program's output, a path), never needed to understand the message. */
  readonly details: readonly string[];

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: readonly string[] } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? [];
    Object.defineProperty(this, marker, { value: true });
  }
}

/** Whether a value is a {@link CoordTokError}, also when it comes from another installed copy of this package. */
export function isCoordTokError(value: unknown): value is CoordTokError {
  return typeof value === "object" && value !== null && marker in value;
}

/** Throws a `CoordTokError` with code `aborted` once the signal has been aborted; does nothing otherwise. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new CoordTokError("aborted", "Stopped on request.", { cause: signal.reason });
}

/** The text of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

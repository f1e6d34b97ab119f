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
  | "not-finite"
  | "not-a-video"
  | "setup"
  | "shape"
  | "unsupported"
  | "usage";

const marker = Symbol.for("coordtok.error");

/**
 * Options that an error's sentence speaks of, by their names: each with the value to set, or `undefined` where it is only named.
 * `{ overwrite: true }` goes with "allow overwriting".
 */
export type NamedOptions = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * The one error class of the project. Its message is one sentence that says what was expected, what came and what to do, and names the
 * options that do it; it is meant to be shown to a person without a stack trace. Any other error class is a bug.
 */
export class CoordTokError extends Error {
  /** The name of the class, as stack traces show it. */
  override readonly name = "CoordTokError";
  /** What went wrong, for programs. */
  readonly code: ErrorCode;
  /** The message without its options. */
  readonly sentence: string;
  /** The options that the sentence speaks of. */
  readonly options: NamedOptions;
  /** More lines that help to find the cause (the tail of a program's output, a path), never needed to understand the message. */
  readonly details: readonly string[];

  /** @param sentence what happened and what to do, in words; `more.options` says which options do it. */
  constructor(
    code: ErrorCode,
    sentence: string,
    more: {
      readonly cause?: unknown;
      readonly details?: readonly string[] | undefined;
      readonly options?: NamedOptions | undefined;
    } = {},
  ) {
    const { cause, details = [], options = {} } = more;
    super(withOptions(sentence, optionsText(options)), cause === undefined ? undefined : { cause });
    this.code = code;
    this.sentence = sentence;
    this.options = options;
    this.details = details;
    Object.defineProperty(this, marker, { value: true });
  }

  /** The message with its options written in another way, such as the flags of a command line; the sentence alone for an empty text. */
  messageWith(options: string): string {
    return withOptions(this.sentence, options);
  }
}

/** `option overwrite: true`, `options first: 3, count: 5`; empty without options. */
function optionsText(options: NamedOptions): string {
  const texts = Object.entries(options).map(([name, value]) =>
    value === undefined ? name : `${name}: ${JSON.stringify(value)}`,
  );
  return texts.length === 0 ? "" : `option${texts.length === 1 ? "" : "s"} ${texts.join(", ")}`;
}

/** A sentence with options in brackets before its full stop. */
function withOptions(sentence: string, options: string): string {
  if (options === "") return sentence;
  return sentence.endsWith(".") ? `${sentence.slice(0, -1)} (${options}).` : `${sentence} (${options})`;
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

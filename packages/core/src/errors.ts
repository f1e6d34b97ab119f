import { plainText } from "./text/plain-text.js";

/** The cause of an error, for programs to test. */
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
  | "network"
  | "not-finite"
  | "not-a-video"
  | "setup"
  | "shape"
  | "unsupported"
  | "usage";

const marker = Symbol.for("coordtok.error");

/**
 * The options that an error's sentence refers to, by name: each with the value to set, or `undefined` if it is only named.
 * `{ overwrite: true }` goes with "allow overwriting".
 */
export type NamedOptions = Readonly<Record<string, string | number | boolean | undefined>>;

/** A function's name followed by its first arguments: `["convertFile", "a.pth", "a.safetensors"]`. */
export type Remedy = readonly [name: string, ...args: readonly string[]];

/**
 * The only error class of the project. Its message is one sentence that says what was expected, what came and what to do, and names the
 * options that do it; it is meant to be shown to a person without a stack trace, so control characters of names in it are written out. Any
 * other error is a bug.
 */
export class CoordTokError extends Error {
  /** The name of the class, as stack traces show it. */
  override readonly name = "CoordTokError";
  /** What went wrong, for programs. */
  readonly code: ErrorCode;
  /** The message without its options. */
  readonly sentence: string;
  /** The options that the sentence refers to; if there is a remedy, the options to call it with. */
  readonly options: NamedOptions;
  /** The function that does what the sentence advises, with its first arguments. */
  readonly remedy: Remedy | undefined;
  /** Additional lines that help to find the cause, such as the tail of a program's output; never needed to understand the message. */
  readonly details: readonly string[];

  /** @param sentence what happened and what to do, in words; `more` names the options or the function that do it. */
  constructor(
    code: ErrorCode,
    sentence: string,
    more: {
      readonly cause?: unknown;
      readonly details?: readonly string[] | undefined;
      readonly options?: NamedOptions | undefined;
      readonly remedy?: Remedy | undefined;
    } = {},
  ) {
    const { cause, details = [], options = {}, remedy } = more;
    const plain = plainText(sentence);
    super(withHow(plain, howText(options, remedy)), cause === undefined ? undefined : { cause });
    this.code = code;
    this.sentence = plain;
    this.options = options;
    this.remedy = remedy;
    this.details = details.map((line) => plainText(line));
    Object.defineProperty(this, marker, { value: true });
  }

  /** Returns the message with its options and remedy written as `how`, such as a command line; the sentence alone if `how` is empty. */
  messageWith(how: string): string {
    return withHow(this.sentence, how);
  }
}

/** `option overwrite: true`, `convertFile("a.pth", "a.safetensors")`, `trainOnVideos with option resume: "run"`; empty without either. */
function howText(options: NamedOptions, remedy: Remedy | undefined): string {
  const [name, ...args] = remedy ?? [];
  const call = args.length === 0 ? name : `${name!}(${args.map((argument) => JSON.stringify(argument)).join(", ")})`;
  return [call, optionsText(options)].filter((text) => text !== undefined && text !== "").join(" with ");
}

/** `options first: 3, count: 5`; empty without options. */
function optionsText(options: NamedOptions): string {
  const texts = Object.entries(options).map(([name, value]) =>
    value === undefined ? name : `${name}: ${JSON.stringify(value)}`,
  );
  return texts.length === 0 ? "" : `option${texts.length === 1 ? "" : "s"} ${texts.join(", ")}`;
}

/** Inserts `how` in parentheses before the full stop of a sentence. */
function withHow(sentence: string, how: string): string {
  if (how === "") return sentence;
  return sentence.endsWith(".") ? `${sentence.slice(0, -1)} (${how}).` : `${sentence} (${how})`;
}

/** Tells whether a value is a {@link CoordTokError}, even one from another installed copy of this package. */
export function isCoordTokError(value: unknown): value is CoordTokError {
  return typeof value === "object" && value !== null && marker in value;
}

/** Throws a `CoordTokError` with code `aborted` if the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new CoordTokError("aborted", "Stopped on request.", { cause: signal.reason });
}

/** Returns the message of a thrown value. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

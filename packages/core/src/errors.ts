import { plainText } from "./text/plain-text.js";

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

/** A function by its name, and its first arguments: `["convertFile", "a.pth", "a.safetensors"]`. */
export type Remedy = readonly [name: string, ...args: readonly string[]];

/**
 * The one error class of the project. Its message is one sentence that says what was expected, what came and what to do, and names the
 * options that do it; it is meant to be shown to a person without a stack trace, so control characters of names in it are written out. Any
 * other error class is a bug.
 */
export class CoordTokError extends Error {
  /** The name of the class, as stack traces show it. */
  override readonly name = "CoordTokError";
  /** What went wrong, for programs. */
  readonly code: ErrorCode;
  /** The message without its options. */
  readonly sentence: string;
  /** The options that the sentence speaks of; those of the remedy where there is one. */
  readonly options: NamedOptions;
  /** The function that does what the sentence advises, with its first arguments. */
  readonly remedy: Remedy | undefined;
  /** More lines that help to find the cause (the tail of a program's output, a path), never needed to understand the message. */
  readonly details: readonly string[];

  /** @param sentence what happened and what to do, in words; `more` says with which options or which function. */
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

  /** The message with its options and its remedy written in another way, such as a command line; for an empty text the sentence alone. */
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

/** A sentence that says in brackets before its full stop how to do what it advises. */
function withHow(sentence: string, how: string): string {
  if (how === "") return sentence;
  return sentence.endsWith(".") ? `${sentence.slice(0, -1)} (${how}).` : `${sentence} (${how})`;
}

/** Whether a value is a {@link CoordTokError}, also when it comes from another installed copy of this package. */
export function isCoordTokError(value: unknown): value is CoordTokError {
  return typeof value === "object" && value !== null && marker in value;
}

/** Throws a `CoordTokError` with code `aborted` once the signal has been aborted; does nothing otherwise. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new CoordTokError("aborted", "Stopped on request.", { cause: signal.reason });
}

/** The message of a thrown value. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

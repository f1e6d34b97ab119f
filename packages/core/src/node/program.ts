import { spawn, type ChildProcess } from "node:child_process";
import { statSync } from "node:fs";
import type { Socket } from "node:net";
import { delimiter, dirname, isAbsolute, parse } from "node:path";
import { PassThrough, Readable, type Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { throwIfAborted } from "../errors.js";
import { endWithParent, killGroup } from "./end-with-parent.js";
import { pathVariable, searchPath } from "./find-program.js";
import { checkOptions, type OptionNames } from "../options.js";

/** The time limit of a program: `seconds` in all, or `silentSeconds` in which it neither writes output nor reads input. */
export type TimeLimit = { readonly seconds: number } | { readonly silentSeconds: number };

/** Options of {@link startProgram}. */
export interface StartOptions {
  /** The time limit, after which it is killed. A silent limit is suspended while the program waits for this process. */
  readonly limit: TimeLimit;
  /** Kills the program. */
  readonly signal?: AbortSignal | undefined;
  /** The environment (default: that of this process). Relative entries of `PATH` are removed; `PWD` is set to the working directory. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** The working directory, absolute (default: a neutral one, the folder of this code). */
  readonly cwd?: string | undefined;
  /** Whether `stdin` is a pipe; otherwise it is empty (default false). */
  readonly input?: boolean | undefined;
  /** Called with each non-empty line of standard error, truncated to 4096 characters. */
  readonly onLine?: ((line: string) => void) | undefined;
}

const startOptionNames: OptionNames<StartOptions> = {
  limit: true,
  signal: true,
  env: true,
  cwd: true,
  input: true,
  onLine: true,
};

/** How a program ended. */
export interface ProgramEnd {
  /** Its exit code, or undefined if it did not start or was killed. */
  readonly exitCode: number | undefined;
  /** The signal that killed it. */
  readonly signal: string | undefined;
  /** Why it did not start. */
  readonly failure: Error | undefined;
  /** Whether it was killed because of its time limit. */
  readonly late: boolean;
}

/** A running program. */
export interface RunningProgram {
  /** Its standard input; usable only with the option `input`. */
  readonly stdin: Writable;
  /** Its standard output, which must be read to its end or `resume`d. */
  readonly stdout: Readable;
  /** Resolves when it has ended and all its output has been read. Never rejects. */
  readonly ended: Promise<ProgramEnd>;
  /** Kills it and its children; does nothing if it has ended. */
  readonly kill: () => void;
}

/** Options of {@link runProgram}. */
export interface RunOptions extends Omit<StartOptions, "input" | "onLine"> {
  /** Called with each piece of standard output as it arrives. */
  readonly onOutput?: ((text: string) => void) | undefined;
}

const runOptionNames: OptionNames<RunOptions> = { onOutput: true, signal: true, limit: true, env: true, cwd: true };

/** The result of a program that has ended. */
export interface ProgramResult extends ProgramEnd {
  /** Its standard output, at most the first 8 MiB. */
  readonly stdout: string;
  /** Lines of standard error: the first 300 and the last 100. */
  readonly lines: readonly string[];
}

const longestLine = 4096;
const mostOutput = 2 ** 23;
const firstLines = 300;
const lastLines = 100;

/**
 * Starts a program without a shell. It runs in a folder where nobody can plant files for it, in a process group of its own (so that Ctrl-C
 * in a terminal does not end it half-way with a result that looks complete), and ends with this process, however this process ends.
 * The caller reads its output and waits for its end.
 * @param path the absolute path of the program, as `findProgram` returns it.
 */
export function startProgram(path: string, args: readonly string[], options: StartOptions): RunningProgram {
  checkOptions(options, startOptionNames, "startProgram");
  if (!isAbsolute(path)) throw new TypeError(`Expected the absolute path of a program, got "${path}".`);
  const cwd = options.cwd ?? neutralFolder();
  let child: ChildProcess;
  try {
    child = endWithParent(() =>
      spawn(path, args, {
        cwd,
        env: environmentFor(options.env ?? process.env, cwd),
        stdio: [options.input === true ? "pipe" : "ignore", "pipe", "pipe"],
        detached: process.platform !== "win32",
        windowsHide: true,
      }),
    );
  } catch (thrown) {
    return notStarted(Promise.resolve(thrown));
  }
  const pipes = child.stdio as unknown as Pipes | undefined;
  // There are no pipes if this process may open no more files.
  if (pipes === undefined) return notStarted(new Promise((resolve) => child.once("error", resolve)));
  const kill = (): void => killGroup(child);
  const [stdin, stdout, stderr] = pipes;
  if (options.onLine) readLines(stderr, options.onLine);
  else stderr.resume();
  let late = false;
  const stopTimer = watchTime(options.limit, pipes, () => {
    late = true;
    kill();
  });
  options.signal?.addEventListener("abort", kill);
  if (options.signal?.aborted === true) kill();
  const ended = new Promise<ProgramEnd>((resolve) => {
    const finish = (end: Omit<ProgramEnd, "late">): void => {
      stopTimer();
      options.signal?.removeEventListener("abort", kill);
      resolve({ ...end, late });
    };
    child.once("error", (failure) => {
      if (child.pid === undefined) finish({ exitCode: undefined, signal: undefined, failure });
    });
    child.once("exit", stopTimer);
    child.once("close", (exitCode, signal) =>
      finish({ exitCode: exitCode ?? undefined, signal: signal ?? undefined, failure: undefined }),
    );
  });
  return { stdin: stdin as Writable, stdout, ended, kill };
}

/**
 * Runs a short program to its end and collects its output. A program that fails, takes too long or does not start is a result, not an
 * error.
 * @param path the absolute path of the program, as `findProgram` returns it.
 * @throws CoordTokError `aborted`.
 */
export async function runProgram(path: string, args: readonly string[], options: RunOptions): Promise<ProgramResult> {
  checkOptions(options, runOptionNames, "runProgram");
  throwIfAborted(options.signal);
  const lines: string[] = [];
  let stdout = "";
  const onLine = (line: string): void => {
    lines.push(line);
    if (lines.length > firstLines + lastLines) lines.splice(firstLines, 1);
  };
  const { onOutput, ...started } = options;
  const program = startProgram(path, args, { ...started, onLine });
  program.stdout.setEncoding("utf8");
  program.stdout.on("data", (text: string) => {
    if (stdout.length < mostOutput) stdout += text.slice(0, mostOutput - stdout.length);
    onOutput?.(text);
  });
  const end = await program.ended;
  throwIfAborted(options.signal);
  return { ...end, stdout, lines };
}

/** Returns what went wrong with a program as a clause such as `it ended with exit code 3`, or undefined if nothing did. */
export function programProblem({ exitCode, signal, failure, late }: ProgramEnd): string | undefined {
  if (failure) return `it does not start (${(failure as NodeJS.ErrnoException).code ?? failure.message})`;
  if (late) return "it took too long and was ended";
  if (signal !== undefined) return `it was ended by ${signal}`;
  return exitCode === 0 ? undefined : `it ended with exit code ${exitCode}`;
}

/** Returns the last `count` (default 12) non-empty lines that a program wrote, standard output first. */
export function lastLinesOf({ stdout, lines }: ProgramResult, count = 12): string[] {
  return [...stdout.split("\n"), ...lines]
    .map((line) => line.trimEnd())
    .filter((line) => line !== "")
    .slice(-count);
}

/**
 * The folder of this code: whoever can write there can already change the code, so a file planted there for a program grants nobody new
 * access. Inside an archive the code has no folder; the root of the file system is the next best.
 */
function neutralFolder(): string {
  const own = dirname(fileURLToPath(import.meta.url));
  return statSync(own, { throwIfNoEntry: false })?.isDirectory() === true ? own : parse(own).root;
}

function environmentFor(env: NodeJS.ProcessEnv, cwd: string): NodeJS.ProcessEnv {
  const { OLDPWD: _, ...kept } = env;
  return { ...kept, PWD: cwd, [pathVariable(env)]: searchPath(env).join(delimiter) };
}

function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const lines = (rest + text).split(/\r?\n|\r/);
    rest = lines.pop()!.slice(0, longestLine);
    for (const line of lines) if (line !== "") onLine(line.slice(0, longestLine));
  });
  stream.once("end", () => {
    if (rest !== "") onLine(rest);
  });
}

type Pipes = readonly [stdin: Socket | null, stdout: Socket, stderr: Socket];

function notStarted(failure: Promise<unknown>): RunningProgram {
  const ended = failure.then((reason): ProgramEnd => {
    const error = reason instanceof Error ? reason : new Error(String(reason));
    return { exitCode: undefined, signal: undefined, failure: error, late: false };
  });
  return { stdin: new PassThrough(), stdout: Readable.from([]), ended, kill: () => undefined };
}

/** Calls `onLate` when the limit is reached. @returns a function that stops watching. */
function watchTime(limit: TimeLimit, pipes: Pipes, onLate: () => void): () => void {
  if ("seconds" in limit) {
    const timer = setTimeout(onLate, limit.seconds * 1000);
    return () => clearTimeout(timer);
  }
  let [before, since] = ["", performance.now()];
  const look = (): void => {
    const now = signsOfLife(pipes);
    if (now !== before || waitsForUs(pipes)) [before, since] = [now, performance.now()];
    else if (performance.now() - since >= limit.silentSeconds * 1000) onLate();
  };
  const timer = setInterval(look, Math.min(limit.silentSeconds * 100, 5000));
  return () => clearInterval(timer);
}

function signsOfLife([stdin, stdout, stderr]: Pipes): string {
  return [stdin?.bytesWritten, stdin?.writableLength, stdout.bytesRead, stderr.bytesRead].join(" ");
}

/** Tells whether the program waits for this process: it has unread output, or needs more input. */
function waitsForUs([stdin, stdout]: Pipes): boolean {
  return stdout.readableLength > 0 || (stdin !== null && !stdin.writableEnded && stdin.writableLength === 0);
}

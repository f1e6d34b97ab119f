import { spawn, type ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { throwIfAborted } from "@coordtok/core";

/** How a program ended. */
export interface ProgramEnd {
  /** Its exit code, or undefined when it did not start or was killed. */
  readonly exitCode: number | undefined;
  /** The signal that killed it. */
  readonly signal: string | undefined;
  /** Why it did not start. */
  readonly failure: Error | undefined;
}

/** A program that runs. */
export interface RunningProgram {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** When it has ended and all its output has been read. Never rejects. */
  readonly ended: Promise<ProgramEnd>;
  /** Ends it at once; does nothing when it has ended. */
  readonly kill: () => void;
}

/** What a program that ran to its end left behind. */
export interface ProgramResult extends ProgramEnd {
  readonly stdout: string;
  /** Lines of standard error. */
  readonly lines: readonly string[];
}

const longestLine = 4096;

/**
 * Starts a program without a shell, in a process group of its own: Ctrl-C in a terminal must not end it half-way with what looks
 * like a complete result. The caller ends it.
 * @param onLine called with each line of standard error; lines are cut at 4096 characters.
 */
export function startProgram(
  path: string,
  args: readonly string[],
  options: { onLine?: (line: string) => void; cwd?: string | undefined; input?: boolean } = {},
): RunningProgram {
  const child = spawn(path, args, {
    stdio: [options.input === true ? "pipe" : "ignore", "pipe", "pipe"],
    detached: process.platform !== "win32",
    windowsHide: true,
    env: { ...process.env, AV_LOG_FORCE_NOCOLOR: "1" },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  // Both are pipes.
  const stdout = child.stdout!;
  const stderr = child.stderr!;
  if (options.onLine) readLines(stderr, options.onLine);
  else stderr.resume();
  const ended = new Promise<ProgramEnd>((resolve) => {
    child.once("error", (failure) => {
      if (child.pid === undefined) resolve({ exitCode: undefined, signal: undefined, failure });
    });
    child.once("close", (exitCode, signal) => {
      resolve({ exitCode: exitCode ?? undefined, signal: signal ?? undefined, failure: undefined });
    });
  });
  return {
    stdin: child.stdin as Writable,
    stdout,
    ended,
    kill: () => {
      if (child.exitCode === null && child.signalCode === null) killGroup(child);
    },
  };
}

/** Ends the program and what it started, should it be a script around the real one. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || process.platform === "win32") {
    child.kill("SIGKILL");
    return;
  }
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    child.kill("SIGKILL");
  }
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

/**
 * Runs a short program to its end and keeps what it says, up to 8 MiB of output and 400 lines of errors.
 * @param options.timeoutMs kills it after this long (default: never).
 * @throws CoordTokError `aborted`. A program that fails or does not start is a result, not an error.
 */
export async function runProgram(
  path: string,
  args: readonly string[],
  options: { signal?: AbortSignal | undefined; timeoutMs?: number } = {},
): Promise<ProgramResult> {
  const { signal, timeoutMs } = options;
  throwIfAborted(signal);
  const lines: string[] = [];
  const program = startProgram(path, args, {
    onLine: (line) => {
      if (lines.length < 400) lines.push(line);
    },
  });
  const timer = timeoutMs === undefined ? undefined : setTimeout(program.kill, timeoutMs);
  signal?.addEventListener("abort", program.kill);
  try {
    let stdout = "";
    program.stdout.setEncoding("utf8");
    program.stdout.on("data", (text: string) => {
      if (stdout.length < 2 ** 23) stdout += text;
    });
    const end = await program.ended;
    throwIfAborted(signal);
    return { ...end, stdout, lines };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", program.kill);
  }
}

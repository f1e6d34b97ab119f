import { fileWriteError } from "@coordtok/core/node";
import { exitCodes } from "./exit.js";

/** The ways in which a run is asked to stop. */
const signals = { SIGINT: exitCodes.stopped, SIGTERM: exitCodes.terminated, SIGHUP: exitCodes.hungUp } as const;
type StopSignal = keyof typeof signals;

/** The time in which package managers may pass on a signal that the terminal has sent to us as well. */
const repeatedMilliseconds = 500;

/** What the first Ctrl-C does where a command can finish early. */
export interface EarlyStop {
  readonly controller: AbortController;
  /** What people are told; absent for other commands. */
  line: string | undefined;
}

/** A request to stop: by a signal, or because nobody reads what is printed. */
export interface Stop extends Disposable {
  /** Aborted at the first request. */
  readonly signal: AbortSignal;
  /** The exit code that tells why; `undefined` as long as nobody has asked. */
  readonly exitCode: number | undefined;
}

/**
 * Makes the first Ctrl-C stop the work cleanly, and so a SIGTERM, the end of the terminal, and output that cannot be written. Where a
 * command can finish early, the first Ctrl-C makes it do that, and the next one stops it. After that the system ends the process at the next
 * Ctrl-C or SIGTERM, also while it computes without a pause.
 */
export function listenForStop(writeLines: (text: string) => void, early?: EarlyStop): Stop {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const stop = (code: number, reason: string): void => {
    exitCode ??= code;
    controller.abort(reason);
  };
  let askedAt = -Infinity;
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted || performance.now() - askedAt < repeatedMilliseconds) return;
    if (early?.line !== undefined && !early.controller.signal.aborted && name === "SIGINT") {
      askedAt = performance.now();
      writeLines(early.line);
      early.controller.abort(name);
      return;
    }
    stop(signals[name as StopSignal], name);
    if (name !== "SIGHUP") writeLines("Stopping; press Ctrl-C again to stop at once.");
    setTimeout(() => {
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    }, repeatedMilliseconds).unref();
  };
  for (const name of Object.keys(signals)) process.on(name, onSignal);
  const forget = onOutputFailure(({ code }) => stop(code, "output"));
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    [Symbol.dispose]: () => {
      for (const name of Object.keys(signals)) process.off(name, onSignal);
      forget();
    },
  };
}

/** Standard output or standard error that could not be written. */
export interface OutputFailure {
  readonly code: number;
  /** What to say on the other one; absent for a closed pipe or terminal, which everybody knows of who can read it. */
  readonly text: string | undefined;
}

let failure: OutputFailure | undefined;
const listeners = new Set<(failure: OutputFailure) => void>();

/** The first failure to print something. */
export function outputFailure(): OutputFailure | undefined {
  return failure;
}

/** Calls a listener at the first failure to print something, also if it has happened. Returns a function that forgets it. */
function onOutputFailure(listener: (failure: OutputFailure) => void): () => void {
  if (failure !== undefined) listener(failure);
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Turns failures to print something, which would end the process, into a stop. */
export function watchOutput(): void {
  for (const [stream, name] of [
    [process.stdout, "standard output"],
    [process.stderr, "standard error"],
  ] as const)
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (failure !== undefined) return;
      failure = failureOf(error, name);
      // If the work is over, nothing else sets the exit code.
      process.exitCode = failure.code;
      for (const listener of listeners) listener(failure);
      if (failure.text !== undefined && stream === process.stdout) process.stderr.write(`${failure.text}\n`);
    });
}

function failureOf(error: NodeJS.ErrnoException, name: string): OutputFailure {
  if (error.code === "EPIPE") return { code: exitCodes.closedPipe, text: undefined };
  // A terminal that is gone; the signal for it may come later.
  if (error.code === "EIO" || error.code === "ENXIO") return { code: exitCodes.hungUp, text: undefined };
  return { code: exitCodes.failed, text: fileWriteError(error, name).sentence };
}

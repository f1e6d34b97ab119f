import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { throwIfAborted } from "@coordtok/core";

/** How a program ended. */
export interface Ran {
  /** Exit code; absent when a signal ended it or it could not be started. */
  readonly code: number | undefined;
  /** The last 64 KiB of what it wrote. */
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly signal?: AbortSignal | undefined;
  /** Called with every piece of standard output as it comes. */
  readonly onOutput?: (text: string) => void;
}

const kept = 64 * 1024;

/**
 * Runs a program to its end. Aborting ends it and throws a `CoordTokError` with code `aborted`; any exit code is returned.
 */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<Ran> {
  const { signal } = options;
  throwIfAborted(signal);
  const child = spawn(command, args, { env: options.env, cwd: options.cwd, stdio: ["ignore", "pipe", "pipe"] });
  const stop = (): void => void child.kill("SIGTERM");
  signal?.addEventListener("abort", stop, { once: true });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout = (stdout + text).slice(-kept);
    options.onOutput?.(text);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = (stderr + text).slice(-kept)));
  try {
    const code = await new Promise<number | undefined>((done) => {
      child.once("error", (error) => {
        stderr += error.message;
        done(undefined);
      });
      child.once("close", (exit) => done(exit ?? undefined));
    });
    throwIfAborted(signal);
    return { code, stdout, stderr };
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** The last lines of a program's output that are not empty. */
export function tailOf(ran: Ran, lines = 12): string[] {
  return `${ran.stdout}\n${ran.stderr}`
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "")
    .slice(-lines);
}

/** The absolute path of a program found on `PATH`, or of one given with its path; `undefined` when there is none. */
export async function findProgram(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (name.includes("/")) {
    const path = isAbsolute(name) ? name : resolve(name);
    return (await isProgram(path)) ? path : undefined;
  }
  for (const folder of (env["PATH"] ?? "").split(delimiter)) {
    if (folder !== "" && (await isProgram(join(folder, name)))) return join(folder, name);
  }
  return undefined;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

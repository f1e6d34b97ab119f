import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { CoordTokError, throwIfAborted } from "@coordtok/core";
import type { Failed, Measured, Request } from "./child.js";

/** The allocator settings that the native backend also sets. */
const keepsFreedMemory = {
  MALLOC_MMAP_MAX_: "0",
  MALLOC_TRIM_THRESHOLD_: "8000000000",
  MALLOC_TOP_PAD_: "500000000",
};

/**
 * The environment of both sides: the allocator keeps its memory, and nothing makes OpenBLAS, which PyTorch may use, mistake the
 * machine for another one.
 */
export function fairEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const fair: NodeJS.ProcessEnv = { ...keepsFreedMemory, ...env };
  for (const name of ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]) Reflect.deleteProperty(fair, name);
  return fair;
}

/** Runs a program to its end and returns its output. @throws CoordTokError `aborted`. */
export async function output(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  throwIfAborted(signal);
  const child = spawn(program, args, { env: fairEnvironment(process.env), stdio: ["ignore", "pipe", "pipe"] });
  const stop = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", stop);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  try {
    const code = await new Promise<number | null>((done, fail) => {
      child.once("error", fail);
      child.once("close", done);
    });
    throwIfAborted(signal);
    return { code, stdout, stderr };
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Runs a program and yields the lines that it prints, as they arrive. @throws CoordTokError `aborted`, or `backend` when it fails. */
export async function* eachLine(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  throwIfAborted(signal);
  const child = spawn(program, args, { env: fairEnvironment(process.env), stdio: ["ignore", "pipe", "pipe"] });
  const stop = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", stop);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const closed = once(child, "close") as Promise<[code: number | null]>;
  try {
    yield* createInterface({ input: child.stdout });
    const [code] = await closed;
    throwIfAborted(signal);
    if (code !== 0) throw endedEarly(code, stderr);
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

function endedEarly(code: number | null, stderr: string): CoordTokError {
  const message = `The measuring process ended with ${code ?? "a signal, perhaps for lack of memory"}.`;
  return new CoordTokError("backend", message, { details: stderr.trim().split("\n").slice(-20) });
}

/** Parses the last line of JSON that a program printed. */
export function lastJson(stdout: string): unknown {
  const line = stdout.trim().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}

const child = fileURLToPath(new URL("child.ts", import.meta.url));

/** Measures in a separate process. @throws CoordTokError `backend` with the reason when it cannot. */
export async function measureInChild(request: Request, signal: AbortSignal): Promise<Measured> {
  const args = [...process.execArgv, child, JSON.stringify(request)];
  const { code, stdout, stderr } = await output(process.execPath, args, signal);
  const said = lastJson(stdout) as Measured | Failed | undefined;
  if (said === undefined || code !== 0) throw endedEarly(code, stderr);
  if ("failed" in said) throw new CoordTokError("backend", said.failed);
  return said;
}

import { spawn } from "node:child_process";
import { hasNativeEnvironment, nativeEnvironment } from "@coordtok/backend";
import { exitCodes } from "./exit.js";

const childMark = "COORDTOK_CHILD";

/**
 * Runs this very command line once more in the environment that the native backend wants, where it is missing: the memory
 * allocator reads it when a process starts. Gives the exit code of that run, or `undefined` when this process is to do the work.
 */
export async function runInPreparedEnvironment(flags: Readonly<Record<string, unknown>>): Promise<number | undefined> {
  const native = flags["backend"] === "auto" || flags["backend"] === "tensorflow";
  if (!native || process.platform !== "linux" || process.env[childMark] !== undefined) return undefined;
  if (hasNativeEnvironment(process.env)) return undefined;
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env: { ...nativeEnvironment(process.env), [childMark]: "1" },
    stdio: "inherit",
  });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGINT", forward).on("SIGTERM", forward);
  try {
    return await new Promise<number>((done, fail) => {
      child.once("error", fail);
      child.once("exit", (code, signal) => done(code ?? (signal === null ? exitCodes.failed : exitCodes.stopped)));
    });
  } finally {
    process.off("SIGINT", forward).off("SIGTERM", forward);
  }
}

import { spawn } from "node:child_process";
import { hasNativeEnvironment, nativeEnvironment } from "@coordtok/backend/environment";
import { exitCodes } from "./exit-codes.js";

const childMark = "COORDTOK_CHILD";

/** The commands that compute with tensors. */
export const computingCommands: ReadonlySet<string> = new Set([
  "demo",
  "train-tokenizer",
  "encode",
  "decode",
  "reconstruct",
  "encode-dataset",
  "train-diffusion",
  "sample",
  "evaluate",
  "parity",
]);

/** Whether a command line may compute on the native backend. A wrong one is left to the parser, in whichever process that runs. */
export function mayComputeNatively(argv: readonly string[]): boolean {
  const [command = "", ...rest] = argv[0] === "--" ? argv.slice(1) : argv;
  if (!computingCommands.has(command) || rest.some((arg) => arg === "--help" || arg === "-h")) return false;
  const backends = rest.flatMap((arg, index) => {
    if (arg === "--backend") return rest[index + 1] ?? [];
    return arg.startsWith("--backend=") ? arg.slice("--backend=".length) : [];
  });
  return ["auto", "tensorflow"].includes(backends.at(-1) ?? "auto");
}

/**
 * Runs this very command line once more in the environment that the native backend wants, where it is missing: the memory
 * allocator reads it when a process starts. Gives the exit code of that run, or `undefined` when this process is to do the work.
 *
 * It reads the arguments without the parser, whose modules take a good part of a second to load and would be loaded twice.
 */
export async function runInPreparedEnvironment(argv: readonly string[]): Promise<number | undefined> {
  if (!mayComputeNatively(argv) || process.platform !== "linux" || process.env[childMark] !== undefined)
    return undefined;
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

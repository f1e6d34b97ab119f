import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The root folder of the repository. */
export const root: string = join(import.meta.dirname, "../..");

/** The outcome of a program. */
export interface Outcome {
  readonly ok: boolean;
  /** Its output, both streams in the order of arrival. */
  readonly output: string;
}

/** Where a program runs, and for how long at most. */
export interface RunOptions {
  /** The working folder (default: the root of the repository). */
  readonly cwd?: string;
  /** The time in seconds after which it is stopped, which counts as a failure (default 900). */
  readonly limitSeconds?: number;
}

/** Runs a program to its end without a terminal. A failure is an outcome; only a missing program throws. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { cwd = root, limitSeconds = 900 } = options;
  const child = spawn(command, args, {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0", TURBO_TELEMETRY_DISABLED: "1" },
  });
  let output = "";
  const end = (): void => {
    child.kill();
  };
  const late = setTimeout(() => {
    output += `\nIt was stopped after ${limitSeconds} s.`;
    end();
  }, limitSeconds * 1000);
  process.once("exit", end);
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      clearTimeout(late);
      process.off("exit", end);
    };
    child.on("error", (error) => {
      finish();
      reject(new Error(`${command} could not be started: ${error.message}`));
    });
    child.on("close", (code) => {
      finish();
      resolve({ ok: code === 0, output });
    });
  });
}

/** Runs a development dependency of the repository by the name of its command. */
export async function runTool(name: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const file = join(root, "node_modules/.bin", name);
  if (!existsSync(file)) throw new Error(`${name} is not installed; run the install command of CONTRIBUTING.md.`);
  return run(file, args, options);
}

/** The output of a program that failed; empty when it succeeded. */
export function problems({ ok, output }: Outcome): string {
  return ok ? "" : output.trim() || "It failed without a message.";
}

/** Creates a temporary folder that is removed when this process ends, even by Ctrl-C. */
export function temporaryFolder(purpose: string): string {
  const folder = mkdtempSync(join(tmpdir(), `coordtok-${purpose}-`));
  process.once("exit", () => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Wraps a function so that it does its work at the first call and returns the same promise at every call. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= work());
}

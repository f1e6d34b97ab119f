import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The root folder of the repository. */
export const root: string = join(import.meta.dirname, "../..");

/** How a program ended. */
export interface Outcome {
  readonly ok: boolean;
  /** What it printed, both streams in the order of arrival. */
  readonly output: string;
}

/** Where a program runs, and how long at most. */
export interface RunOptions {
  /** Default: the root of the repository. */
  readonly cwd?: string;
  /** After this many seconds it is ended, which is a failure (default 900). */
  readonly limitSeconds?: number;
}

/** Runs a program to its end without a terminal; a failure is an outcome, only a missing program throws. */
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
    output += `\nIt was ended after ${limitSeconds} s.`;
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

/** What to show when a program failed; nothing when it did not. */
export function problems({ ok, output }: Outcome): string {
  return ok ? "" : output.trim() || "It failed without a message.";
}

/** A new temporary folder that is removed when this process ends, on Ctrl-C too. */
export function temporaryFolder(purpose: string): string {
  const folder = mkdtempSync(join(tmpdir(), `coordtok-${purpose}-`));
  process.once("exit", () => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** A function that does its work at the first call and gives the same promise to all. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= work());
}

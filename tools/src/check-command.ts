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

/** Runs a program to its end without a terminal; a failure is an outcome, only a missing program throws. */
export async function run(command: string, args: readonly string[], cwd: string = root): Promise<Outcome> {
  const child = spawn(command, args, {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0", TURBO_TELEMETRY_DISABLED: "1" },
  });
  const end = (): void => {
    child.kill();
  };
  process.once("exit", end);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  return new Promise((resolve, reject) => {
    child.on("error", (error) => {
      reject(new Error(`${command} could not be started: ${error.message}`));
    });
    child.on("close", (code) => {
      process.off("exit", end);
      resolve({ ok: code === 0, output });
    });
  });
}

/** Runs a development dependency of the repository by the name of its command. */
export async function runTool(name: string, args: readonly string[], cwd: string = root): Promise<Outcome> {
  const file = join(root, "node_modules/.bin", name);
  if (!existsSync(file)) throw new Error(`${name} is not installed; run the install command of CONTRIBUTING.md.`);
  return run(file, args, cwd);
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

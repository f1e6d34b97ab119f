import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The loader that lets node run the sources. */
export const tsx: string = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
/** The program. */
export const mainFile: string = fileURLToPath(new URL("../main.ts", import.meta.url));

/** How a command line ended. */
export interface CliEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An `onStart` for {@link runCli} that sends Ctrl-C as soon as a file exists. */
export function interruptOnceThereIs(path: string): (child: ChildProcess) => void {
  return (child) => {
    const watch = setInterval(() => {
      if (!existsSync(path)) return;
      clearInterval(watch);
      child.kill("SIGINT");
    }, 10);
    child.once("close", () => clearInterval(watch));
  };
}

/** Runs the command line from source in a folder, as a user would. `onStart` may act on the process. */
export async function runCli(
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly env?: NodeJS.ProcessEnv;
    readonly onStart?: (child: ChildProcess) => void;
    readonly stdio?: StdioOptions;
    /** The address of a module that runs before the program. */
    readonly preload?: string;
  } = {},
): Promise<CliEnd> {
  const preload = options.preload === undefined ? [] : ["--import", options.preload];
  const child = spawn(process.execPath, ["--import", tsx, ...preload, "--conditions=@coordtok/source", mainFile, ...args], {
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: "1", ...options.env },
    stdio: options.stdio ?? ["ignore", "pipe", "pipe"],
  });
  options.onStart?.(child);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((done, fail) => {
    child.once("error", fail);
    child.once("close", done);
  });
  return { code, stdout, stderr };
}

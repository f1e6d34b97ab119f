import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve } from "node:path";

/**
 * Finds a program. A bare name is looked up in the absolute entries of `PATH`, never in the current folder; a name
 * with a slash is a path, relative to the current folder.
 * @param env the environment that holds `PATH` and, on Windows, `PATHEXT` (default: that of this process).
 * @returns the absolute path, or undefined if there is no executable file.
 */
export async function findProgram(name: string, env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const endings = process.platform === "win32" ? ["", ...(env["PATHEXT"] ?? ".EXE").split(";")] : [""];
  const bases = /[/\\]/.test(name) ? [resolve(name)] : searchPath(env).map((folder) => join(folder, name));
  for (const base of bases) for (const ending of endings) if (await isExecutable(base + ending)) return base + ending;
  return undefined;
}

/**
 * Returns the absolute folders of `PATH`. Relative and empty ones refer to the current folder, which may hold anybody's files.
 */
export function searchPath(env: NodeJS.ProcessEnv): string[] {
  return (env[pathVariable(env)] ?? "").split(delimiter).filter((folder) => isAbsolute(folder));
}

/** Returns the spelling of `PATH` in an environment: Windows has `Path`, and a copied environment no longer ignores case. */
export function pathVariable(env: NodeJS.ProcessEnv): string {
  if (process.platform !== "win32") return "PATH";
  return Object.keys(env).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

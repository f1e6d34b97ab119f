import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve } from "node:path";

/**
 * The absolute path of a program. A bare name is looked up in the absolute entries of `PATH`, never in the current folder; a name
 * with a slash is a path, relative to the current folder.
 * @param env where `PATH` and, on Windows, `PATHEXT` are read (default: the environment of this process).
 * @returns undefined when there is no file that may be executed.
 */
export async function findProgram(name: string, env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const endings = process.platform === "win32" ? ["", ...(env["PATHEXT"] ?? ".EXE").split(";")] : [""];
  const bases = /[/\\]/.test(name) ? [resolve(name)] : searchPath(env).map((folder) => join(folder, name));
  for (const base of bases) for (const ending of endings) if (await isExecutable(base + ending)) return base + ending;
  return undefined;
}

/**
 * The folders of `PATH` that are absolute. The others, the empty ones too, stand for the current folder, where anybody's files may lie.
 */
export function searchPath(env: NodeJS.ProcessEnv): string[] {
  return (env[pathVariable(env)] ?? "").split(delimiter).filter((folder) => isAbsolute(folder));
}

/** How `PATH` is spelled: Windows has `Path`, and a copied environment no longer ignores case. */
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

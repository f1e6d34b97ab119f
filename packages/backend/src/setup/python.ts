import { CoordTokError } from "@coordtok/core";
import { findProgram, run } from "./run.js";

/** A pip that runs. */
export interface Pip {
  /** The program to start. */
  readonly command: string;
  /** What comes before pip's own arguments, such as `-m pip`. */
  readonly prefix: readonly string[];
  /** The Python it belongs to, absent when only a `pip` program was found. */
  readonly python: string | undefined;
  /** What `pip --version` says, such as `pip 24.0 from … (python 3.12)`. */
  readonly version: string;
}

const pipHelp = `"python3 -m ensurepip --user" or your system's package (Debian: apt install python3-pip) brings it`;

/**
 * Finds a pip that runs: the pip module of the Python asked for; else of `python3` or `python` on `PATH`; else a `pip3` or `pip` program.
 * @throws CoordTokError `setup` when there is no Python or no pip.
 */
export async function findPip(asked: string | undefined, env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<Pip> {
  const pythons: string[] = [];
  for (const name of asked === undefined ? ["python3", "python"] : [asked]) {
    const python = await findProgram(name, env);
    if (python === undefined) continue;
    const pip = await tryPip(python, ["-m", "pip"], python, env, signal);
    if (pip !== undefined) return pip;
    if ((await run(python, ["-c", "import sys"], { env, signal })).code === 0) pythons.push(python);
  }
  if (asked === undefined) {
    for (const name of ["pip3", "pip"]) {
      const program = await findProgram(name, env);
      const pip = program === undefined ? undefined : await tryPip(program, [], undefined, env, signal);
      if (pip !== undefined) return pip;
    }
  }
  throw noPip(asked, pythons);
}

async function tryPip(
  command: string,
  prefix: readonly string[],
  python: string | undefined,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<Pip | undefined> {
  const { code, stdout } = await run(command, [...prefix, "--version"], { env, signal });
  const version = /^pip \d.*/m.exec(stdout)?.[0];
  return code === 0 && version !== undefined ? { command, prefix, python, version } : undefined;
}

function noPip(asked: string | undefined, pythons: readonly string[]): CoordTokError {
  const [python] = pythons;
  if (python !== undefined)
    return new CoordTokError(
      "setup",
      `"${python}" has no pip, which fetches TensorFlow; ${pipHelp}, or name another Python with --python.`,
    );
  if (asked !== undefined)
    return new CoordTokError(
      "setup",
      `"${asked}" is no Python that runs; name one with --python, or leave it out to use python3.`,
    );
  const message =
    "Python 3 with pip is needed to fetch TensorFlow, and none was found on PATH; install it (Debian: apt install python3-pip, macOS: brew install python) or name it with --python, or use the wasm backend, which needs nothing.";
  return new CoordTokError("setup", message);
}

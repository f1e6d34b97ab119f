import { CoordTokError } from "@coordtok/core";
import { findProgram, runProgram, type ProgramResult } from "@coordtok/core/node";
import { limits } from "./limits.js";

/** A working pip. */
export interface Pip {
  /** The absolute path of the program to start. */
  readonly command: string;
  /** The arguments before pip's own, such as `-I -m pip`. */
  readonly prefix: readonly string[];
  /** The Python it belongs to; undefined if only a `pip` program was found. */
  readonly python: string | undefined;
  /** The output of `pip --version`, such as `pip 24.0 from … (python 3.12)`. */
  readonly version: string;
}

const named = { options: { python: undefined } };
const pipHelp = `"python3 -m ensurepip --user" or your system's package (Debian: apt install python3-pip) provides it`;

/**
 * The ways to start Python's pip. The first is isolated: it imports no module from the current folder, `PYTHONPATH` or the user's site.
 * A pip that the user installed only for themselves is in that site; the second way finds it, and runs in a neutral folder.
 */
const prefixes: readonly (readonly string[])[] = [
  ["-I", "-m", "pip"],
  ["-E", "-m", "pip"],
];

/**
 * Finds a working pip: the pip module of the Python asked for, or else of `python3` or `python` on `PATH`, or else a `pip3` or `pip` program.
 * @throws CoordTokError `setup` if there is no Python or no pip.
 */
export async function findPip(asked: string | undefined, env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<Pip> {
  const ask = (command: string, args: readonly string[]): Promise<ProgramResult> =>
    runProgram(command, args, { env, signal, limit: limits.answer });
  const tryPip = async (command: string, prefix: readonly string[], python?: string): Promise<Pip | undefined> => {
    const { exitCode, stdout } = await ask(command, [...prefix, "--version"]);
    const version = /^pip \d.*/m.exec(stdout)?.[0];
    return exitCode === 0 && version !== undefined ? { command, prefix, python, version } : undefined;
  };
  const pythons: string[] = [];
  for (const name of asked === undefined ? ["python3", "python"] : [asked]) {
    const python = await findProgram(name, env);
    if (python === undefined) continue;
    for (const prefix of prefixes) {
      const pip = await tryPip(python, prefix, python);
      if (pip !== undefined) return pip;
    }
    if ((await ask(python, ["-I", "-c", "import sys"])).exitCode === 0) pythons.push(python);
  }
  for (const name of asked === undefined ? ["pip3", "pip"] : []) {
    const program = await findProgram(name, env);
    const pip = program === undefined ? undefined : await tryPip(program, []);
    if (pip !== undefined) return pip;
  }
  throw noPip(asked, pythons);
}

function noPip(asked: string | undefined, pythons: readonly string[]): CoordTokError {
  const [python] = pythons;
  if (python !== undefined)
    return new CoordTokError(
      "setup",
      `"${python}" has no pip, which setup needs for downloads; ${pipHelp}, or name another Python.`,
      named,
    );
  if (asked !== undefined)
    return new CoordTokError(
      "setup",
      `"${asked}" is not a working Python; name one that is, or none to use python3.`,
      named,
    );
  const message =
    "Setup needs Python 3 with pip for downloads, and found none on PATH; install it (Debian: apt install python3-pip, macOS: brew install python) or name one, or use the wasm backend, which needs no setup.";
  return new CoordTokError("setup", message, named);
}

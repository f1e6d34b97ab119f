import { CoordTokError } from "@coordtok/core";
import { findProgram, runProgram, type ProgramResult } from "@coordtok/core/node";
import { limits } from "./limits.js";

/** A pip that runs. */
export interface Pip {
  /** The program to start, absolute. */
  readonly command: string;
  /** What comes before pip's own arguments, such as `-I -m pip`. */
  readonly prefix: readonly string[];
  /** The Python it belongs to, absent when only a `pip` program was found. */
  readonly python: string | undefined;
  /** What `pip --version` says, such as `pip 24.0 from … (python 3.12)`. */
  readonly version: string;
}

const named = { options: { python: undefined } };
const pipHelp = `"python3 -m ensurepip --user" or your system's package (Debian: apt install python3-pip) brings it`;

/**
 * Ways to start Python's pip. Isolated first: no module of the folder it runs in, of `PYTHONPATH` or of the user's own site is imported.
 * A pip that the user installed for themselves is in that site; it is found without isolation, in the neutral folder in which programs run.
 */
const prefixes: readonly (readonly string[])[] = [
  ["-I", "-m", "pip"],
  ["-E", "-m", "pip"],
];

/**
 * Finds a pip that runs: the pip module of the Python asked for; else of `python3` or `python` on `PATH`; else a `pip3` or `pip` program.
 * @throws CoordTokError `setup` when there is no Python or no pip.
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
      `"${python}" has no pip, which fetches what is set up; ${pipHelp}, or name another Python.`,
      named,
    );
  if (asked !== undefined)
    return new CoordTokError(
      "setup",
      `"${asked}" is no Python that runs; name one that does, or none to use python3.`,
      named,
    );
  const message =
    "Python 3 with pip is needed to fetch what is set up, and none was found on PATH; install it (Debian: apt install python3-pip, macOS: brew install python) or name one; without it the wasm backend computes, which needs nothing.";
  return new CoordTokError("setup", message, named);
}

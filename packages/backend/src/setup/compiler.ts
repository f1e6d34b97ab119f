import { readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { CoordTokError, type LongCallOptions } from "@coordtok/core";
import { findProgram, lastLinesOf, programProblem, runProgram, type ProgramResult } from "@coordtok/core/node";
import { addonName } from "../node/installation.js";
import { fetchWheel, type FetchOptions } from "./download.js";
import { limits } from "./limits.js";
import type { WheelPlatform } from "./platform.js";
import { openWheel } from "./wheel.js";

/** A working C++ compiler. */
export interface Compiler {
  readonly command: string;
  readonly prefix: readonly string[];
  /** Its name in reports, such as `g++` or `ziglang 0.17.1`. */
  readonly name: string;
  /** The environment it needs. */
  readonly env: NodeJS.ProcessEnv;
}

/** The compiler that is downloaded if none is found: C++ with its libraries in one wheel. */
export const ziglang = { requirement: "ziglang==0.17.1", name: "ziglang 0.17.1" } as const;

/** Finds a C++ compiler: the first of `$CXX`, if set, and `c++`, `g++` and `clang++` on `PATH` that works. */
export async function findCompiler(env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<Compiler | undefined> {
  const asked = env["CXX"]?.trim();
  for (const name of [...(asked === undefined || asked === "" ? [] : [asked]), "c++", "g++", "clang++"]) {
    const command = await findProgram(name, env);
    // On a Mac without the command line tools these programs exist, but only print that the tools are missing.
    if (command === undefined) continue;
    const { exitCode } = await runProgram(command, ["--version"], { env, signal, limit: limits.answer });
    if (exitCode === 0) return { command, prefix: [], name: basename(name), env };
  }
  return undefined;
}

/**
 * Downloads the Zig compiler and unpacks it into a folder.
 * @throws CoordTokError `setup`, `aborted`.
 */
export async function fetchZig(folder: string, options: FetchOptions): Promise<Compiler> {
  const { signal, onProgress, env } = options;
  const wheel = await openWheel((await fetchWheel(ziglang.requirement, options)).path);
  try {
    const names = wheel.names.filter((name) => name.startsWith("ziglang/"));
    const total = names.reduce((sum, name) => sum + wheel.sizeOf(name), 0);
    const onBytes = (done: number): void =>
      onProgress?.({ task: `unpack ${ziglang.name}`, done, total, unit: "bytes" });
    await wheel.extract(names, folder, { signal, onBytes });
  } finally {
    wheel.close();
  }
  const command = await findProgram(join(folder, "ziglang", "zig"), env);
  if (command === undefined)
    throw new CoordTokError(
      "setup",
      `The wheel of ${ziglang.name} contains no compiler; install a C++ compiler (Debian: apt install g++) instead.`,
    );
  const cache = join(folder, "cache");
  return {
    command,
    prefix: ["c++"],
    name: ziglang.name,
    env: { ...env, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache },
  };
}

/**
 * Compiles the add-on of `@tensorflow/tfjs-node-gpu` against the TensorFlow unpacked in a folder; the add-on goes to the same folder.
 * @throws CoordTokError `setup`, with the compiler's last lines as details; `aborted`.
 */
export async function compileAddon(
  compiler: Compiler,
  sourceFolder: string,
  platform: WheelPlatform,
  folder: string,
  options: LongCallOptions = {},
): Promise<void> {
  const sources = (await readdir(join(sourceFolder, "binding")).catch(() => [])).filter((name) => name.endsWith(".cc"));
  if (sources.length === 0)
    throw new CoordTokError(
      "setup",
      `"${sourceFolder}" lacks the add-on's sources (binding/*.cc); install the package again.`,
    );
  const progress = { task: `compile the add-on with ${compiler.name}`, total: 1, unit: "files" };
  options.onProgress?.({ ...progress, done: 0 });
  const nodeHeaders = join(dirname(createRequire(import.meta.url).resolve("node-api-headers/package.json")), "include");
  const args = [...compiler.prefix, "-O2", "-std=c++17", ...platform.linkArguments];
  args.push("-DNAPI_VERSION=8", "-DBUILDING_NODE_EXTENSION");
  args.push("-I", nodeHeaders, "-I", sourceFolder, "-I", join(folder, "tensorflow", "include"));
  args.push(...sources.map((name) => join(sourceFolder, "binding", name)));
  args.push("-o", join(folder, addonName), ...platform.libraries.map((library) => join(folder, library)));
  const { env } = compiler;
  const ran = await runProgram(compiler.command, args, {
    env,
    cwd: folder,
    signal: options.signal,
    limit: limits.compile,
  });
  if (ran.exitCode !== 0) throw compileError(compiler, ran);
  options.onProgress?.({ ...progress, done: 1 });
}

function compileError(compiler: Compiler, ran: ProgramResult): CoordTokError {
  const details = lastLinesOf(ran);
  if (ran.lines.some((line) => line.includes("No space left on device")))
    return new CoordTokError(
      "setup",
      "The disk is full, so the add-on could not be compiled; free some space or choose another place with COORDTOK_CACHE.",
      { details },
    );
  const telling =
    ran.lines.find((line) => /\berror\b|cannot find|undefined reference/i.test(line)) ??
    details.at(-1) ??
    programProblem(ran);
  const message = `${compiler.name} could not compile the add-on (${telling?.trim()}); name another C++ compiler in the environment variable CXX, for example CXX=clang++.`;
  return new CoordTokError("setup", message, { details });
}

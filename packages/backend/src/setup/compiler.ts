import { readdir, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { CoordTokError, type LongCallOptions } from "@coordtok/core";
import { addonName } from "../node/installation.js";
import type { TfjsNodePackage } from "../node/tfjs-node.js";
import { downloadError } from "./download.js";
import type { WheelPlatform } from "./platform.js";
import type { Pip } from "./python.js";
import { findProgram, run, tailOf } from "./run.js";

/** A C++ compiler that can be started. */
export interface Compiler {
  readonly command: string;
  readonly prefix: readonly string[];
  /** How reports name it, such as `g++` or `ziglang 0.13.0`. */
  readonly name: string;
  /** What it needs in its environment. */
  readonly env: NodeJS.ProcessEnv;
}

/** The compiler that is fetched where there is none. */
export const ziglang = { requirement: "ziglang==0.13.0", name: "ziglang 0.13.0", megabytes: 82 } as const;

/** Finds a C++ compiler: `$CXX` if set, else `c++`, `g++` or `clang++` on `PATH`, the first that compiles. */
export async function findCompiler(env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<Compiler | undefined> {
  const asked = env["CXX"]?.trim();
  for (const name of [...(asked === undefined || asked === "" ? [] : [asked]), "c++", "g++", "clang++"]) {
    const command = await findProgram(name, env);
    // On a Mac without its command line tools the programs exist and do nothing but say so.
    if (command !== undefined && (await run(command, ["--version"], { env, signal })).code === 0)
      return { command, prefix: [], name: basename(name), env };
  }
  return undefined;
}

/**
 * Fetches the Zig compiler, which compiles C++ and needs nothing else, into a folder.
 * @throws CoordTokError `setup`, `aborted`.
 */
export async function fetchZig(
  pip: Pip,
  folder: string,
  env: NodeJS.ProcessEnv,
  options: LongCallOptions,
): Promise<Compiler> {
  const { signal, onProgress } = options;
  const temporary = join(folder, "unfinished");
  await mkdir(temporary, { recursive: true });
  onProgress?.({ task: `download ${ziglang.name}`, done: 0, unit: "bytes" });
  const args = [
    ...pip.prefix,
    "install",
    "--no-deps",
    "--only-binary=:all:",
    "--no-cache-dir",
    "--no-input",
    "--no-compile",
  ];
  args.push(
    "--disable-pip-version-check",
    "--progress-bar",
    "off",
    "--target",
    join(folder, "site"),
    ziglang.requirement,
  );
  const ran = await run(pip.command, args, { env: { ...env, TMPDIR: temporary }, signal });
  if (ran.code !== 0) throw downloadError(ziglang.requirement, ran);
  const command = await findProgram(join(folder, "site", "ziglang", "zig"), env);
  if (command === undefined)
    throw new CoordTokError(
      "setup",
      `${ziglang.name} came without its compiler; install a C++ compiler (Debian: apt install g++) instead.`,
    );
  const caches = { ZIG_GLOBAL_CACHE_DIR: join(folder, "cache"), ZIG_LOCAL_CACHE_DIR: join(folder, "cache") };
  return { command, prefix: ["c++"], name: ziglang.name, env: { ...env, ...caches } };
}

/**
 * Compiles the add-on sources of `@tensorflow/tfjs-node-gpu` against the TensorFlow unpacked in a folder, beside it.
 * @throws CoordTokError `setup` with the compiler's last lines as details, `aborted`.
 */
export async function compileAddon(
  compiler: Compiler,
  tfjsNode: TfjsNodePackage,
  platform: WheelPlatform,
  folder: string,
  options: LongCallOptions = {},
): Promise<void> {
  const sources = (await readdir(join(tfjsNode.directory, "binding")).catch(() => [])).filter((name) =>
    name.endsWith(".cc"),
  );
  if (sources.length === 0)
    throw new CoordTokError(
      "setup",
      `"${tfjsNode.directory}" lacks the add-on's sources (binding/*.cc); install the package again.`,
    );
  const nodeHeaders = join(dirname(createRequire(import.meta.url).resolve("node-api-headers/package.json")), "include");
  const args = [...compiler.prefix, "-O2", "-std=c++17", ...platform.linkArguments];
  args.push("-DNAPI_VERSION=8", "-DBUILDING_NODE_EXTENSION");
  args.push("-I", nodeHeaders, "-I", tfjsNode.directory, "-I", join(folder, "tensorflow", "include"));
  args.push(...sources.map((name) => join(tfjsNode.directory, "binding", name)));
  args.push("-o", join(folder, addonName), ...platform.libraries.map((library) => join(folder, library)));
  options.onProgress?.({ task: `compile the add-on with ${compiler.name}`, done: 0, total: 1, unit: "files" });
  const ran = await run(compiler.command, args, { env: compiler.env, cwd: folder, signal: options.signal });
  if (ran.code !== 0) {
    const reason =
      tailOf(ran).find((line) => /error|cannot find|undefined reference/i.test(line)) ??
      tailOf(ran).at(-1) ??
      "no output";
    const message = `${compiler.name} could not compile the add-on (${reason}); name another C++ compiler with CXX, or hide this one to have ziglang fetched.`;
    throw new CoordTokError("setup", message, { details: tailOf(ran) });
  }
  options.onProgress?.({ task: `compile the add-on with ${compiler.name}`, done: 1, total: 1, unit: "files" });
}

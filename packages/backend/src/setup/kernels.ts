import { randomBytes } from "node:crypto";
import { rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { isCoordTokError, type LongCallOptions } from "@coordtok/core";
import { lastLinesOf, programProblem, runProgram, sha256OfFile, writeAtomically } from "@coordtok/core/node";
import {
  fusedCompilerArguments,
  fusedFiles,
  fusedSourceFolder,
  fusedSources,
  type FusedLibraryFacts,
} from "../node/fused-library.js";
import type { Compiler } from "./compiler.js";
import { limits } from "./limits.js";
import type { SetupWorld } from "./options.js";
import type { WheelPlatform } from "./platform.js";

/** The inputs of a build of the library of fused operations. */
export interface FusedBuild {
  readonly compiler: Compiler;
  readonly platform: WheelPlatform;
  /** The folder of the installation, which lacks the library or has an old one. */
  readonly directory: string;
  readonly world: SetupWorld;
}

/**
 * Compiles the fused operations into an installation and tests them in a separate process. A failure is recorded and reported
 * as a note, since the installation works without them.
 * @throws CoordTokError `aborted`; errors of the file system.
 */
export async function buildFusedLibrary(
  build: FusedBuild,
  options: LongCallOptions & { readonly onNote?: ((text: string) => void) | undefined },
): Promise<void> {
  const { compiler, directory, world } = build;
  const files = fusedFiles(directory);
  const write = (facts: FusedLibraryFacts): Promise<unknown> =>
    writeAtomically(files.facts, `${JSON.stringify(facts, undefined, 2)}\n`, { overwrite: true });
  let problem = await compile(build, files.library, options);
  if (problem === undefined)
    try {
      await write({ compiler: compiler.name, sha256: await sha256OfFile(files.library) });
      await world.fusedTest(directory, world.env, options);
    } catch (thrown) {
      if (!isCoordTokError(thrown) || thrown.code !== "setup") throw thrown;
      problem = thrown.message;
    }
  if (problem === undefined) return;
  await write({ compiler: compiler.name, problem });
  await rm(files.library, { force: true });
  options.onNote?.(`The fused operations are not in use, so computing is slower: ${problem}`);
}

/** Compiles the library; returns the reason if that fails. */
async function compile(
  { compiler, platform, directory }: FusedBuild,
  library: string,
  { signal, onProgress }: LongCallOptions,
): Promise<string | undefined> {
  const progress = { task: `compile the fused operations with ${compiler.name}`, total: 1, unit: "files" };
  onProgress?.({ ...progress, done: 0 });
  const sources = fusedSourceFolder();
  const nodeHeaders = join(dirname(createRequire(import.meta.url).resolve("node-api-headers/package.json")), "include");
  const unfinished = join(directory, `.${randomBytes(4).toString("hex")}.node`);
  const args = [...compiler.prefix, ...fusedCompilerArguments, ...platform.linkArguments];
  args.push("-I", nodeHeaders, "-I", join(directory, "tensorflow", "include"));
  args.push(...fusedSources.compiled.map((name) => join(sources, name)), "-o", unfinished);
  args.push(join(directory, platform.libraries[1]));
  try {
    const { env } = compiler;
    const ran = await runProgram(compiler.command, args, { env, cwd: directory, signal, limit: limits.compile });
    if (ran.exitCode !== 0) {
      const telling =
        ran.lines.find((line) => /\berror\b/i.test(line)) ?? lastLinesOf(ran).at(-1) ?? programProblem(ran);
      return `${compiler.name} could not compile them (${telling?.trim()}); name another C++ compiler in the environment variable CXX and run setup again.`;
    }
    await rename(unfinished, library);
  } finally {
    await rm(unfinished, { force: true });
  }
  onProgress?.({ ...progress, done: 1 });
  return undefined;
}

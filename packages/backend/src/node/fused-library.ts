import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { messageOf } from "@coordtok/core";
import { setupCommand } from "./setup-command.js";

/** The record of the library of fused operations in an installation: its checksum, or why there is none. */
export type FusedLibraryFacts = {
  /** The compiler that built it. */
  readonly compiler: string;
} & ({ readonly sha256: string } | { readonly problem: string });

/** The loaded library of fused operations. */
export interface FusedLibrary {
  /** The names of its operations. */
  readonly operations: readonly string[];
  /** The number of threads it computes on. */
  readonly threads: number;
  /** The number of float32 lanes in a vector of its build: 16 with AVX-512, 8 with AVX2, 4 with NEON or SSE. */
  readonly lanes: number;
}

/** The sources of the native library in the package's folder `kernels`: those to compile, and those they include. */
export const fusedSources = {
  compiled: ["kernels.cc", "measures.cc", "tensorflow.cc"],
  included: ["kernels.h", "operation-table.h", "operations.h", "pool.h", "vectors.h", "view.h"],
} as const;

/** The compiler arguments, besides those of the platform. Not fast-math: NaN and infinities must survive. */
export const fusedCompilerArguments: readonly string[] = [
  "-O3",
  process.arch === "x64" ? "-march=native" : "-mcpu=native",
  "-std=c++17",
  "-ffp-contract=fast",
  "-fno-math-errno",
  "-fvisibility=hidden",
  "-pthread",
];

/** Returns the path of this package's folder `kernels`. */
export function fusedSourceFolder(): string {
  return join(dirname(createRequire(import.meta.url).resolve("@coordtok/backend/package.json")), "kernels");
}

/** The files of the library in an installation. */
export interface FusedFiles {
  /** The library. */
  readonly library: string;
  /** Its record, {@link FusedLibraryFacts}. */
  readonly facts: string;
}

/**
 * Returns the paths, in an installation folder, of the library for this version of CoordTok and this processor. A library compiled for
 * one processor may crash on another, and several versions may share an installation.
 */
export function fusedFiles(directory: string): FusedFiles {
  const hash = createHash("sha256").update([...fusedCompilerArguments, processorName()].join(" "));
  const folder = fusedSourceFolder();
  for (const name of [...fusedSources.compiled, ...fusedSources.included])
    hash.update(readFileSync(join(folder, name)));
  const key = hash.digest("hex").slice(0, 12);
  return {
    library: join(directory, `coordtok_kernels-${key}.node`),
    facts: join(directory, `coordtok_kernels-${key}.json`),
  };
}

function processorName(): string {
  return `${process.arch} ${cpus()[0]?.model.trim() ?? "unknown"}`;
}

/** Returns why the library in an installation folder cannot be used, with a remedy, or `undefined` if it can be tried. */
export function fusedProblem(directory: string): string | undefined {
  const files = fusedFiles(directory);
  const again = `run "${setupCommand}" again`;
  const missing = `they have not been compiled for this processor and version of CoordTok; ${again}`;
  let facts: { readonly problem?: unknown; readonly sha256?: unknown };
  try {
    facts = JSON.parse(readFileSync(files.facts, "utf8")) as typeof facts;
    if (typeof facts.problem === "string") return facts.problem;
    if (typeof facts.sha256 !== "string") return missing;
    const sha256 = createHash("sha256").update(readFileSync(files.library)).digest("hex");
    return sha256 === facts.sha256 ? undefined : `"${files.library}" is not what was compiled; ${again}`;
  } catch {
    return missing;
  }
}

/** Loads the library of an installation, after TensorFlow's add-on, or returns why it does not load. */
export function loadFusedLibrary(directory: string): FusedLibrary | { readonly problem: string } {
  const problem = fusedProblem(directory);
  if (problem !== undefined) return { problem };
  try {
    return createRequire(import.meta.url)(fusedFiles(directory).library) as FusedLibrary;
  } catch (thrown) {
    return { problem: `the library does not load (${messageOf(thrown).split("\n")[0] ?? ""})` };
  }
}

/** Describes a build, such as `AVX-512, 2 threads`. */
export function fusedText({ lanes, threads }: FusedLibrary): string {
  const small = process.arch === "arm64" ? "NEON" : "SSE";
  const vectors = lanes === 16 ? "AVX-512" : lanes === 8 ? "AVX2" : small;
  return `${vectors}, ${String(threads)} ${threads === 1 ? "thread" : "threads"}`;
}

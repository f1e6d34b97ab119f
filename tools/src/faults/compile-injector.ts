import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("./injector.cpp", import.meta.url));

/** Compiles the library that makes operations on files go wrong. @returns its path, or why there is none here. */
export function compileInjector(folder: string): { readonly path: string } | { readonly missing: string } {
  if (process.platform !== "linux") return { missing: "operations on files are only intercepted on Linux" };
  const path = join(folder, "injector.so");
  for (const compiler of ["c++", "g++", "clang++"]) {
    const args = ["-std=c++20", "-O1", "-shared", "-fPIC", "-o", path, source, "-ldl"];
    const { error, status, stderr } = spawnSync(compiler, args, { cwd: folder, encoding: "utf8", timeout: 120_000 });
    if (error !== undefined) continue;
    if (status === 0 && existsSync(path)) return { path };
    return { missing: `${compiler} does not compile it: ${stderr.slice(0, 500)}` };
  }
  return { missing: "there is no C++ compiler" };
}

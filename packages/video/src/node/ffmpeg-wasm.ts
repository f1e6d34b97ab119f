import { createRequire } from "node:module";
import { dirname } from "node:path";
import { ownProgram } from "@coordtok/core/node";
import type { ProgramCommand } from "./ffmpeg-program.js";

/** The npm package with ffmpeg for WebAssembly. It is under the GPL, so the user installs it, and it runs only in a separate process. */
const packageName = "@ffmpeg/core";

/**
 * Returns the command that starts ffmpeg or ffprobe of `@ffmpeg/core`: Node with a small program around the package.
 * @returns the command, or why there is none if the package is not installed.
 */
export function wasmProgram(
  program: "ffmpeg" | "ffprobe",
): (ProgramCommand & { readonly name: string }) | { readonly absent: string } {
  let core: string;
  try {
    core = createRequire(import.meta.url).resolve(packageName);
  } catch {
    return { absent: "not installed" };
  }
  const child = ownProgram(import.meta.url, "node/ffmpeg-wasm-child");
  return { path: process.execPath, prefix: [...child, core, program], name: dirname(core) };
}

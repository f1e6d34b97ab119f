import { readFile } from "node:fs/promises";
import { findProgram, runProgram } from "@coordtok/core/node";
import { limits } from "./limits.js";

/** The NVIDIA driver of this machine, or where it was looked for. */
export type NvidiaDriver =
  | { readonly present: true; readonly version: string | undefined; readonly gpus: readonly string[] }
  | { readonly present: false; readonly lookedFor: string };

const versionFile = "/proc/driver/nvidia/version";

/** Looks for the driver: `nvidia-smi` on `PATH` (also on WSL2), else the file that the kernel module provides. */
export async function findNvidiaDriver(env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<NvidiaDriver> {
  const program = await findProgram("nvidia-smi", env);
  if (program !== undefined) {
    const query = ["--query-gpu=name,driver_version", "--format=csv,noheader"];
    const { exitCode, stdout } = await runProgram(program, query, { env, signal, limit: limits.answer });
    const rows = stdout
      .split("\n")
      .flatMap((line) => (line.includes(",") ? [line.split(",").map((part) => part.trim())] : []));
    if (exitCode === 0 && rows.length > 0)
      return { present: true, version: rows[0]?.[1], gpus: rows.map((row) => row[0] ?? "GPU") };
  }
  const text = await readFile(versionFile, "utf8").catch(() => undefined);
  if (text !== undefined) return { present: true, version: /\b\d{3}\.\d+(?:\.\d+)?\b/.exec(text)?.[0], gpus: [] };
  const tried = program === undefined ? "no nvidia-smi on PATH" : `"${program}" finds no GPU`;
  return { present: false, lookedFor: `${tried}, no ${versionFile}` };
}

/** Advice about a missing driver. */
export const driverHelp: string = "install NVIDIA's driver, version 525 or later (on WSL2: the Windows driver)";

/** Returns the CUDA wheels of the extra `and-cuda` in a TensorFlow wheel's METADATA, in pip's notation. */
export function cudaRequirements(metadata: string): string[] {
  const head = metadata.split(/\r?\n\r?\n/)[0] ?? "";
  const requirements: string[] = [];
  for (const line of head.split(/\r?\n/)) {
    const match = /^Requires-Dist:\s*(?<name>nvidia[\w.-]*)\s*\(?(?<versions>[^;)]*)\)?\s*;(?<marker>.*)$/i.exec(line);
    if (match?.groups === undefined || !/extra\s*==\s*['"]and-cuda['"]/.test(match.groups["marker"] ?? "")) continue;
    requirements.push(`${match.groups["name"] ?? ""}${(match.groups["versions"] ?? "").replaceAll(/\s+/g, "")}`);
  }
  return requirements;
}

import { readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { backend } from "@tensorflow/tfjs-core";
import { CoordTokError, messageOf } from "@coordtok/core";
import { cacheFolder } from "@coordtok/core/node";
import { registerNativeFused } from "../fused/native.js";
import type { FusedState } from "../fused/state.js";
import { findInstallation, type Installation } from "./installation.js";
import { loadFusedLibrary, fusedText, type FusedLibrary } from "./fused-library.js";
import { setupCommand } from "./setup-command.js";
import { choosePrecision, precisionVariable, type Precision, type PrecisionRequest } from "../precision.js";
import { hasTfjsNode, loadTfjsNode, tfjsNodePackage } from "./tfjs-node.js";

/** Facts about the loaded native backend. */
export interface NativeFacts {
  readonly installation: Installation;
  /** The precision, which holds for the whole process. */
  readonly precision: Precision;
  /** Notes about the precision. */
  readonly notes: readonly string[];
}

let loaded: NativeFacts | undefined;

/**
 * Loads TensorFlow's native backend and registers it as `tensorflow` with tfjs-core. A second call only checks the precision.
 * @throws CoordTokError `backend`, with a remedy, if it is not set up or does not load, as under Bun and Deno.
 */
export async function loadNative(request: PrecisionRequest): Promise<NativeFacts> {
  const mode = process.env[precisionVariable];
  const precision = choosePrecision(request, mode, loaded?.precision);
  if (loaded !== undefined) return loaded;
  refuseOtherRuntimes();
  const installation = await findNative();
  try {
    await loadTfjsNode(installation, precision);
  } catch (thrown) {
    const message = `TensorFlow ${installation.tensorflow} does not load (${messageOf(thrown)}); run "${setupCommand}" again with the option force.`;
    throw new CoordTokError("backend", message, { cause: thrown });
  }
  const notes = precisionNotes(precision, mode);
  loaded = { installation, precision, notes };
  return loaded;
}

/** The JavaScript of TensorFlow's add-on finds its modules as Node does. */
function refuseOtherRuntimes(): void {
  const runtime = (["bun", "deno"] as const).find((name) => process.versions[name] !== undefined);
  if (runtime === undefined) return;
  const message = `Native TensorFlow loads under Node alone, and this is ${runtime === "bun" ? "Bun" : "Deno"}; use Node, or the backend wasm.`;
  throw new CoordTokError("backend", message);
}

function precisionNotes(precision: Precision, mode: string | undefined): string[] {
  if (precision === "bf16" && lacksAmx())
    return ["This processor has no AMX, so bf16 changes neither results nor speed here."];
  if (precision === "bf16" || mode === undefined || mode === "" || mode.toUpperCase() === "STRICT") return [];
  return [`${precisionVariable}=${mode} is ignored: this computes in fp32.`];
}

/** Tells whether this is an x64 processor known to have no matrix unit for bfloat16. */
function lacksAmx(): boolean {
  if (process.arch !== "x64") return false;
  try {
    return !/\bamx_bf16\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return false;
  }
}

/** Finds the installation without loading it. */
export async function findNative(): Promise<Installation> {
  const installation = await findInstallation(cacheFolder());
  if ("missing" in installation)
    throw new CoordTokError("backend", `${sentence(installation.missing)}; run "${setupCommand}".`);
  if (!hasTfjsNode(installation)) {
    const message = `TensorFlow was set up by another version of CoordTok, without the JavaScript that goes with it; run "${setupCommand}" again.`;
    throw new CoordTokError("backend", message);
  }
  return installation;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

let fusedLibrary: FusedLibrary | { readonly problem: string } | undefined;

/**
 * Registers the fused operations of the installation with the native backend, which must be loaded and selected, or removes them.
 * @returns whether they are in use, with the build or the reason why not.
 */
export function useNativeFused(wanted: boolean): FusedState {
  const native = backend() as unknown as { isUsingGpuDevice: boolean };
  // The library is loaded even if its operations are not wanted: it also keeps glibc from returning freed tensors to the system.
  if (loaded !== undefined && !native.isUsingGpuDevice)
    fusedLibrary ??= loadFusedLibrary(loaded.installation.directory);
  if (!wanted || loaded === undefined) {
    registerNativeFused([], false);
    return { active: false, text: "switched off" };
  }
  if (fusedLibrary === undefined) return { active: false, text: "not for a GPU" };
  if ("problem" in fusedLibrary) return { active: false, text: fusedLibrary.problem, problem: true };
  registerNativeFused(fusedLibrary.operations, true);
  return { active: true, text: fusedText(fusedLibrary) };
}

/** Returns the versions of the components of the loaded native backend. */
export function nativeVersions(): Readonly<Record<string, string>> {
  return { [tfjsNodePackage]: loaded?.installation.tfjsNode ?? "", TensorFlow: nativeDevices().version };
}

/** Returns TensorFlow's version and its devices. The native backend must be loaded and selected. */
export function nativeDevices(): { readonly version: string; readonly devices: readonly string[] } {
  const native = backend() as unknown as { isUsingGpuDevice: boolean; binding: { TF_Version: string } };
  const threads = availableParallelism();
  const processor = `CPU, ${String(threads)} ${threads === 1 ? "thread" : "threads"} (${cpus()[0]?.model.trim() ?? "unknown model"})`;
  return {
    version: native.binding.TF_Version,
    devices: native.isUsingGpuDevice ? ["GPU (CUDA)", processor] : [processor],
  };
}

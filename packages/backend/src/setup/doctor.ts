import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { getBackend, setBackend } from "@tensorflow/tfjs-core";
import {
  checkOptions,
  isCoordTokError,
  longCallOptionNames,
  messageOf,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
} from "@coordtok/core";
import { cacheFolder, platformName, runProgram } from "@coordtok/core/node";
import { backendCatalogue, type BackendName } from "../catalogue.js";
import type { FusedState } from "../fused/state.js";
import { loadBackend } from "../load.js";
import { findInstallation, type Installation } from "../node/installation.js";
import { fusedProblem } from "../node/fused-library.js";
import { findNative } from "../node/native.js";
import { setupCommand } from "../node/setup-command.js";
import { findCompiler, ziglang } from "./compiler.js";
import { limits } from "./limits.js";
import { driverHelp, findNvidiaDriver, type NvidiaDriver } from "./nvidia.js";
import { findPip } from "./python.js";
import { selfTest } from "./self-test.js";
import { freeBytes } from "./sizes.js";
import type { GpuAdapter } from "../webgpu/device.js";

/** The installation of TensorFlow as found on disk, without loading it. */
export interface SetupDescription {
  /** The cache folder; it need not exist. */
  readonly cache: string;
  /** The platform, such as `linux-x64`. */
  readonly platform: string;
  /** The TensorFlow in use. */
  readonly installation: Installation | undefined;
  /** Why it cannot be used, with a remedy; undefined if it can. */
  readonly problem: string | undefined;
}

/** The result of looking for something. */
export interface Finding {
  /** Whether it was found. */
  readonly found: boolean;
  /** What was found, or what is missing and what to do. */
  readonly text: string;
}

/** The result of trying one backend. */
export interface BackendFinding {
  /** The backend. */
  readonly name: BackendName;
  /** Whether it loads and has the kernels that training needs. */
  readonly loads: boolean;
  /** What it computes on, or why it does not load and how to get it. */
  readonly text: string;
  /** The graphics adapter of `webgpu`, with its features and limits; absent for other backends. */
  readonly adapter?: GpuAdapter;
  /** Whether its fused operations can be used, or why not; absent if the backend has none or does not load. */
  readonly fused?: FusedState;
  /** The speed of a product of 1024×1024 matrices in 1e9 operations per second, if measured. */
  readonly gigaflops?: number;
}

/** A report on everything that decides which backends work on this machine. */
export interface DoctorReport extends SetupDescription {
  /** Node's version, such as `v20.20.2`. */
  readonly node: string;
  /** The free space on the disk of the cache folder, in bytes; undefined if unknown. */
  readonly freeBytes: number | undefined;
  /** The size of the cache folder, in bytes. */
  readonly cachedBytes: number;
  /** The pip that would download wheels. */
  readonly pip: Finding;
  /** A C++ compiler, to build the add-on. */
  readonly compiler: Finding;
  /** An NVIDIA driver, for the GPU wheel. */
  readonly nvidia: Finding;
  /** All backends, whether they load or not. */
  readonly backends: readonly BackendFinding[];
  /** Advice, one sentence each; empty if there is nothing to do. */
  readonly advice: readonly string[];
}

/** Describes what the cache folder holds for this platform. It takes milliseconds and loads nothing. */
export async function describeSetup(): Promise<SetupDescription> {
  const cache = cacheFolder();
  const found = await findInstallation(cache);
  const problem = await findNative().then(
    () => undefined,
    (thrown: unknown) => messageOf(thrown),
  );
  return {
    cache,
    platform: platformName(),
    installation: "missing" in found ? undefined : found,
    problem,
  };
}

const doctorReportOptionNames: OptionNames<LongCallOptions & { readonly python?: string | undefined }> = {
  ...longCallOptionNames,
  python: true,
};

/**
 * Checks everything that decides which backends work here and tries each of them, the native one in a separate process.
 * It changes nothing and selects the previous backend again. It takes several seconds.
 * @param options.python the Python whose pip is checked (default: as in setup).
 * @throws CoordTokError `aborted`.
 */
export async function doctorReport(
  options: LongCallOptions & { readonly python?: string | undefined } = {},
): Promise<DoctorReport> {
  checkOptions(options, doctorReportOptionNames, "doctorReport");
  const { env } = process;
  const { signal } = options;
  const description = await describeSetup();
  const driver = await findNvidiaDriver(env, signal);
  const pip = await findPip(options.python, env, signal).then(
    ({ command, version }): Finding => ({ found: true, text: `${version} of ${command}` }),
    (thrown: unknown): Finding => notFound(thrown),
  );
  const backends: BackendFinding[] = [];
  const tried = (done: number): void =>
    options.onProgress?.({ task: "try backends", done, total: backendCatalogue.length, unit: "backends" });
  for (const row of backendCatalogue) {
    throwIfAborted(signal);
    tried(backends.length);
    backends.push(
      row.name === "tensorflow" ? await tryNative(description, options) : await tryBackend(row.name, options),
    );
  }
  tried(backends.length);
  return {
    ...description,
    node: process.version,
    freeBytes: await freeBytes(description.cache).catch(() => undefined),
    cachedBytes: await folderBytes(description.cache),
    pip,
    compiler: await compilerFinding(options),
    nvidia: driverFinding(driver),
    backends,
    advice: adviceFor(description, driver, backends),
  };
}

function notFound(thrown: unknown): Finding {
  if (isCoordTokError(thrown) && thrown.code === "aborted") throw thrown;
  return { found: false, text: messageOf(thrown) };
}

async function tryNative(
  { installation, problem }: SetupDescription,
  options: LongCallOptions,
): Promise<BackendFinding> {
  const name = "tensorflow";
  if (problem !== undefined || installation === undefined)
    return { name, loads: false, text: problem ?? `Run "${setupCommand}".` };
  try {
    const { devices, gigaflops } = await selfTest(installation.directory, process.env, {
      signal: options.signal,
    });
    const text = `TensorFlow ${installation.tensorflow} on ${devices.join("; ")}`;
    const reason = fusedProblem(installation.directory);
    const fused = { active: reason === undefined, text: reason ?? "compiled for this processor" };
    return {
      name,
      loads: true,
      text,
      gigaflops,
      fused: hasGpu(devices) ? { active: false, text: "not for a GPU" } : fused,
    };
  } catch (thrown) {
    return { name, loads: false, text: notFound(thrown).text };
  }
}

async function tryBackend(name: BackendName, { signal }: LongCallOptions): Promise<BackendFinding> {
  const before = getBackend() as string | undefined;
  try {
    const { device, adapter, fused } = await loadBackend(name, { purpose: "training", signal });
    const text = adapter === undefined ? device : `${device}; ${limitsText(adapter)}`;
    return { name, loads: true, text, ...(adapter && { adapter }), ...(fused.active ? { fused } : {}) };
  } catch (thrown) {
    return { name, loads: false, text: notFound(thrown).text };
  } finally {
    if (before !== undefined && before !== "") await setBackend(before);
  }
}

function limitsText({ largestTensorBytes, workgroupBytes, features }: GpuAdapter): string {
  const wanted = ["shader-f16", "subgroups", "timestamp-query"];
  const [present, missing] = [true, false].map((has) => wanted.filter((name) => features.includes(name) === has)) as [
    string[],
    string[],
  ];
  return [
    `tensors up to ${Math.floor(largestTensorBytes / 2 ** 20)} MiB`,
    `${workgroupBytes / 1024} KiB per workgroup`,
    ...(present.length > 0 ? [`with ${present.join(", ")}`] : []),
    ...(missing.length > 0 ? [`without ${missing.join(", ")}`] : []),
  ].join("; ");
}

async function compilerFinding({ signal }: LongCallOptions): Promise<Finding> {
  const compiler = await findCompiler(process.env, signal);
  if (compiler === undefined) return { found: false, text: `no C++ compiler; setup downloads ${ziglang.name} instead` };
  const { stdout } = await runProgram(compiler.command, [...compiler.prefix, "--version"], {
    signal,
    limit: limits.answer,
  });
  return { found: true, text: `${stdout.split("\n")[0] ?? ""} (${compiler.command})` };
}

function driverFinding(driver: NvidiaDriver): Finding {
  if (!driver.present) return { found: false, text: `no NVIDIA driver (${driver.lookedFor})` };
  const gpus = driver.gpus.length === 0 ? "" : `: ${driver.gpus.join(", ")}`;
  return { found: true, text: `NVIDIA driver ${driver.version ?? "of unknown version"}${gpus}` };
}

function hasGpu(devices: readonly string[]): boolean {
  return devices.some((device) => device.includes("GPU"));
}

function adviceFor(description: SetupDescription, driver: NvidiaDriver, backends: readonly BackendFinding[]): string[] {
  const { installation, problem } = description;
  const advice: string[] = [];
  const native = backends.find(({ name }) => name === "tensorflow");
  const usesGpu = native?.text.includes("GPU") === true;
  if (problem !== undefined) advice.push(problem);
  else if (native?.loads === false) advice.push(native.text);
  else if (native?.fused?.active === false && !usesGpu)
    advice.push(
      `The fused operations are not in use, so computing is slower: ${native.fused.text.replace(/\.$/, "")}.`,
    );
  if (installation?.device === "gpu" && !driver.present)
    advice.push(
      `TensorFlow was set up for the GPU, but no NVIDIA driver was found (${driver.lookedFor}), so it computes on the processor; ${driverHelp}.`,
    );
  if (installation?.device === "gpu" && driver.present && native?.loads === true && !usesGpu)
    advice.push(
      `There is an NVIDIA driver, but TensorFlow does not use the GPU; run with TF_CPP_MIN_LOG_LEVEL=0 to see why (usually an old driver: ${driverHelp}).`,
    );
  if (installation?.device === "cpu" && driver.present && platformName() === "linux-x64")
    advice.push(
      `There is an NVIDIA driver, but TensorFlow was set up for the processor; run "${setupCommand}" again for the device gpu to use the GPU.`,
    );
  return advice;
}

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder, { recursive: true }).catch(() => [])) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.isFile()) bytes += found.size;
  }
  return bytes;
}

import { backend, env, getBackend, setBackend, version_core } from "@tensorflow/tfjs-core";
import {
  checkChoice,
  checkOptions,
  CoordTokError,
  isCoordTokError,
  longCallOptionNames,
  messageOf,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
} from "@coordtok/core";
import { registerBackendTraits } from "@coordtok/core/nn";
import { backendCatalogue, backendRow, type BackendName, type BackendRow } from "./catalogue.js";
import type { FusedState } from "./fused/state.js";
import { useWasmFused } from "./fused/wasm.js";
import { useWebGpuFused } from "./fused/webgpu.js";
import type { WasmBackend } from "./fused/wasm-library.js";
import type { Platform, WasmFiles } from "./platform.js";
import { precisionVariable, type Precision } from "./precision.js";
import { missingKernels, type Purpose } from "./requirements.js";
import { guardHeap, type WasmHeap } from "./wasm-heap.js";
import { registerWebGpu, type GpuAdapter } from "./webgpu/device.js";

export interface LoadBackendOptions extends LongCallOptions {
  /** The purpose, which decides which kernels the backend must have (default `inference`). */
  readonly purpose?: Purpose | undefined;
  /**
   * Whether to use the backend's fused operations, which are several times faster than composite ones (default: yes,
   * unless the environment variable `COORDTOK_FUSED` is `0`). The choice holds until the backend is loaded again.
   */
  readonly fused?: boolean | undefined;
  /**
   * The precision of the native backend's matrix products (default: `fp32`, or for `inference` `bf16` if the environment variable
   * `ONEDNN_DEFAULT_FPMATH_MODE` is `BF16`). `bf16` is only for inference, and must be chosen before TensorFlow is loaded.
   */
  readonly precision?: Precision | undefined;
  /**
   * The location of the three `.wasm` files of tfjs-backend-wasm: a URL prefix ending in `/`, or one URL for each file name.
   * Default: in Node, the installed package; in a browser, the file that this package contains, so that nothing has to be copied. A page
   * whose content policy (`connect-src`) forbids `blob:` serves the files itself.
   */
  readonly wasmPaths?: string | Readonly<Record<string, string>> | undefined;
}

const loadBackendOptionNames: OptionNames<LoadBackendOptions> = {
  ...longCallOptionNames,
  purpose: true,
  fused: true,
  precision: true,
  wasmPaths: true,
};

/** A loaded and selected backend. */
export interface LoadedBackend {
  /** Its name. */
  readonly name: BackendName;
  /** Its name in TensorFlow.js, which `getBackend()` of tfjs-core now returns. */
  readonly tfName: string;
  /** The versions of its components, by package or library name. */
  readonly versions: Readonly<Record<string, string>>;
  /** The device it computes on, such as `CPU, 8 threads (…)`. */
  readonly device: string;
  /** The graphics adapter of `webgpu`; absent for other backends. */
  readonly adapter?: GpuAdapter;
  /** The precision of its matrix products, to be recorded in everything made with it. */
  readonly precision: Precision;
  /** Whether its fused operations are in use, with the build or the reason why not. */
  readonly fused: FusedState;
  /** Returns the number of bytes of tensors that still fit, or `undefined` if it is unknown, as on a GPU. */
  readonly freeBytes: () => number | undefined;
  /** The backends that `auto` tried first, each with the reason why it was passed over. */
  readonly passedOver: readonly { readonly name: BackendName; readonly reason: string }[];
  /** Sentences to show to the user, such as a note about an untested version; usually none. */
  readonly notes: readonly string[];
}

const testedVersion = "4.22.0";

/**
 * Loads a TensorFlow.js backend, checks that it has the required kernels, selects it in tfjs-core and registers its traits with
 * the layers of core. It may be called again, with the same or another name: the selected backend changes.
 *
 * In Node, `auto` uses `tensorflow` if it is set up; with `bf16`, only `tensorflow`. Otherwise, in Node and in a browser, it uses `webgpu` if
 * there is a graphics adapter that is not emulated on the processor, otherwise `wasm`.
 * @throws CoordTokError `config` for an unknown name or precision; `backend`, with a remedy, if the backend does not load, lacks
 * kernels or does not support the precision; `memory`; `aborted`.
 */
export async function loadBackend(
  name: "auto" | BackendName = "auto",
  options: LoadBackendOptions = {},
): Promise<LoadedBackend> {
  checkOptions(options, loadBackendOptionNames, "loadBackend");
  checkChoice(name, "the backend", ["auto", ...backendCatalogue.map((row) => row.name)]);
  const { platform } = (await import("#platform")) as { platform: Platform };
  checkPrecision(name, options);
  if (name !== "auto") return load(backendRow(name), platform, options, [], false);
  if (options.precision === "bf16") return load(backendRow("tensorflow"), platform, options, [], true);
  const passedOver: { name: BackendName; reason: string }[] = [];
  for (const row of backendCatalogue) {
    if (row.name === "cpu" || !row.runsIn.includes(platform.kind)) continue;
    try {
      return await load(row, platform, options, passedOver, true);
    } catch (thrown) {
      if (isCoordTokError(thrown) && thrown.code === "aborted") throw thrown;
      passedOver.push({ name: row.name, reason: messageOf(thrown) });
    }
  }
  const reasons = passedOver.map((one) => `${one.name}: ${one.reason}`);
  const message = `No backend loads here; ask for "cpu" (plain JavaScript, very slow) by name. ${reasons.join(" ")}`;
  throw new CoordTokError("backend", message, { details: reasons });
}

function checkPrecision(name: "auto" | BackendName, { precision, purpose = "inference" }: LoadBackendOptions): void {
  if (precision === undefined) return;
  checkChoice(precision, "the precision", ["fp32", "bf16"]);
  if (precision === "fp32") return;
  if (purpose === "training")
    throw new CoordTokError("backend", "Expected fp32 for training and parity, got bf16, which is only for inference.");
  if (name !== "auto" && name !== "tensorflow")
    throw new CoordTokError(
      "backend",
      `The backend ${name} computes in fp32; bf16 needs the native backend, tensorflow.`,
    );
}

async function load(
  row: BackendRow,
  platform: Platform,
  options: LoadBackendOptions,
  passedOver: LoadedBackend["passedOver"],
  automatic: boolean,
): Promise<LoadedBackend> {
  const { signal, onProgress, purpose = "inference" } = options;
  const progress = { task: `load backend ${row.name}`, total: 1, unit: "backends" };
  throwIfAborted(signal);
  onProgress?.({ ...progress, done: 0 });
  const before = getSelected();
  try {
    const facts = await loaders[row.name](platform, options, automatic);
    const missing = missingKernels(row.tfName, purpose);
    if (missing.length > 0) throw lacksKernels(row, purpose, missing);
    throwIfAborted(signal);
    registerBackendTraits(row.tfName, facts.fused?.active === true ? row.fusedTraits : row.traits);
    onProgress?.({ ...progress, done: 1 });
    const versions = { "@tensorflow/tfjs-core": version_core, ...facts.versions };
    return {
      name: row.name,
      tfName: row.tfName,
      versions,
      device: facts.device,
      ...(facts.adapter && { adapter: facts.adapter }),
      precision: facts.precision ?? "fp32",
      freeBytes: facts.freeBytes ?? (() => undefined),
      fused: facts.fused ?? { active: false, text: "none for this backend" },
      passedOver: [...passedOver],
      notes: [
        ...brokenNotes(passedOver),
        ...versionNotes(versions),
        ...fusedNotes(facts.fused),
        ...(facts.notes ?? []),
      ],
    };
  } catch (thrown) {
    if (before !== undefined && getSelected() !== before) await setBackend(before);
    throw isCoordTokError(thrown) ? thrown : doesNotLoad(row, thrown);
  }
}

/** Why a native backend that was set up is not used; that there is none needs no note. */
function brokenNotes(passedOver: LoadedBackend["passedOver"]): string[] {
  return passedOver
    .filter(({ name, reason }) => name === "tensorflow" && !reason.includes("has not been set up"))
    .map(({ reason }) => `The native backend is passed over: ${reason}`);
}

interface LoadedFacts {
  readonly versions: Readonly<Record<string, string>>;
  readonly device: string;
  readonly adapter?: GpuAdapter;
  readonly fused?: FusedState;
  readonly precision?: Precision;
  readonly notes?: readonly string[];
  readonly freeBytes?: () => number | undefined;
}

const loaders: Readonly<
  Record<BackendName, (platform: Platform, options: LoadBackendOptions, automatic: boolean) => Promise<LoadedFacts>>
> = {
  tensorflow: async (platform, options) => {
    const exact = options.purpose === "training";
    const { precision, notes } = await platform.loadNative({ asked: options.precision, exact });
    await select("tensorflow");
    const fused = platform.useNativeFused(options.fused ?? platform.fusedAllowed());
    const { devices } = platform.nativeDevices();
    if (devices.length > 1 && precision === "bf16")
      throw new CoordTokError(
        "backend",
        `A GPU computes in fp32; do not ask for bf16 (also not by ${precisionVariable}).`,
      );
    const freeBytes = devices.length > 1 ? undefined : () => platform.availableBytes();
    const facts = { versions: platform.nativeVersions(), device: devices.join("; "), fused, precision, notes };
    return { ...facts, ...(freeBytes && { freeBytes }) };
  },
  webgpu: async (platform, options, automatic) => {
    if (automatic && !platform.mayHaveGpu())
      throw new CoordTokError(
        "backend",
        "There is no graphics card here; ask for webgpu by name to try it nevertheless.",
      );
    const adapter = await registerWebGpu(await platform.openGpu(), !automatic);
    await select("webgpu");
    const fused = useWebGpuFused(options.fused ?? platform.fusedAllowed());
    const device = adapter.software ? `${adapter.name}, a program on the processor` : adapter.name;
    return { versions: {}, device, adapter, fused };
  },
  wasm: async (platform, options) => {
    const wasm = await import("@tensorflow/tfjs-backend-wasm");
    const wanted = options.fused ?? platform.fusedAllowed();
    if (wasmReady) await select("wasm");
    else await startWasm(wasm.setWasmPaths, platform, options, wanted);
    wasmReady = true;
    const simd = await env().getAsync("WASM_HAS_SIMD_SUPPORT");
    const threads = wasm.getThreadsCount();
    const device = `WebAssembly ${simd === true ? "with" : "without"} SIMD, ${String(threads)} ${threads === 1 ? "thread" : "threads"}`;
    const freeBytes = guardHeap((backend() as unknown as { wasm: WasmHeap }).wasm);
    const fused = await useWasmFused(backend() as unknown as WasmBackend, wasm.version_wasm, wanted);
    return { versions: { "@tensorflow/tfjs-backend-wasm": wasm.version_wasm }, device, fused, freeBytes };
  },
  cpu: async (platform) => {
    const cpu = await import("@tensorflow/tfjs-backend-cpu");
    await select("cpu");
    // Otherwise the backend prints an advertisement for tfjs-node on its first use.
    (backend() as unknown as { firstUse?: boolean }).firstUse = false;
    const versions = { "@tensorflow/tfjs-backend-cpu": cpu.version_cpu };
    return { versions, device: "plain JavaScript, 1 thread", freeBytes: () => platform.availableBytes() };
  },
};

/** Once the wasm backend has started, its paths can no longer be set. */
let wasmReady = false;

async function startWasm(
  setPaths: (paths: WasmFiles["paths"]) => void,
  platform: Platform,
  { wasmPaths }: LoadBackendOptions,
  fused: boolean,
): Promise<void> {
  const { paths, threads, release } =
    wasmPaths === undefined ? await platform.wasmFiles() : { paths: wasmPaths, threads: true, release: undefined };
  setPaths(paths);
  // The fused operations on one thread beat the stock kernels on the few threads that these take, and cannot share memory.
  if (fused || !threads) env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  const simd = await env().getAsync("WASM_HAS_SIMD_SUPPORT");
  const shared = await env().getAsync("WASM_HAS_MULTITHREAD_SUPPORT");
  try {
    await platform.withoutProcessHandlers(() => select("wasm"));
  } catch (thrown) {
    const file = `tfjs-backend-wasm${simd === true ? (shared === true ? "-threaded-simd" : "-simd") : ""}.wasm`;
    throw wasmError(wasmPaths, file, simd === true, thrown);
  } finally {
    release?.();
  }
}

function wasmError(paths: LoadBackendOptions["wasmPaths"], file: string, simd: boolean, cause: unknown): CoordTokError {
  if (paths === undefined && !simd)
    return new CoordTokError(
      "backend",
      "The backend wasm needs an engine with SIMD in WebAssembly; use a current one.",
      {
        cause,
      },
    );
  const given = typeof paths === "string" ? paths + file : paths?.[file];
  if (given === undefined)
    return new CoordTokError(
      "backend",
      "The backend wasm does not start from the file in the package; where the page's content policy forbids blob:, serve the files of tfjs-backend-wasm and name their place (wasmPaths).",
      { cause },
    );
  const { baseURI } = (globalThis as { document?: { baseURI: string } }).document ?? {};
  const address = URL.canParse(given, baseURI) ? new URL(given, baseURI).href : given;
  return new CoordTokError(
    "backend",
    `The backend wasm does not start from "${address}"; serve the files of tfjs-backend-wasm ${testedVersion} there as application/wasm, or leave wasmPaths out to take the one in the package.`,
    { cause },
  );
}

async function select(tfName: string): Promise<void> {
  if (!(await setBackend(tfName))) throw new Error("it could not be started");
}

/** Returns the selected backend without starting one. */
function getSelected(): string | undefined {
  const name = getBackend() as string | null | undefined;
  return name === null || name === "" ? undefined : name;
}

function lacksKernels(row: BackendRow, purpose: Purpose, missing: readonly string[]): CoordTokError {
  const message = `The backend ${row.name} lacks ${missing.length === 1 ? "a kernel" : "kernels"} that ${purpose} needs (${missing.join(", ")}); install ${row.packageName} ${testedVersion} or choose another backend.`;
  return new CoordTokError("backend", message);
}

function doesNotLoad(row: BackendRow, thrown: unknown): CoordTokError {
  const reason = (messageOf(thrown).split("\n")[0] ?? "").trim().replace(/\.$/, "");
  return new CoordTokError(
    "backend",
    `The backend ${row.name} does not load (${reason}); how to get it: ${row.howToGet}.`,
    { cause: thrown },
  );
}

function fusedNotes(fused: FusedState | undefined): string[] {
  if (fused?.problem !== true) return [];
  return [`The fused operations are not in use, so computing is slower: ${fused.text.replace(/\.$/, "")}.`];
}

function versionNotes(versions: Readonly<Record<string, string>>): string[] {
  return Object.entries(versions)
    .filter(([name, version]) => name.startsWith("@tensorflow/") && version !== testedVersion)
    .map(([name, version]) => `${name} ${version} is in use, but CoordTok was tested with ${testedVersion}.`);
}

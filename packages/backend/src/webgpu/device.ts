import { CoordTokError } from "@coordtok/core";
import { engine, registerBackend, removeBackend } from "@tensorflow/tfjs-core";
import { overrideStockKernels } from "./overrides.js";
import type { StockBackend } from "./stock.js";

/** A graphics adapter. */
export interface GpuAdapter {
  /** Its name, such as `NVIDIA H100 80GB HBM3`. */
  readonly name: string;
  /** A program on the processor that acts as one. */
  readonly software: boolean;
  /** Optional features of WebGPU that it has, sorted. */
  readonly features: readonly string[];
  /** Bytes of the largest tensor. */
  readonly largestTensorBytes: number;
  /** Bytes of memory that a workgroup shares. */
  readonly workgroupBytes: number;
}

/** Freed buffers are kept for the next tensors of their size up to this many bytes. */
const mostFreeBytes = 2 ** 30;

/** What went wrong on a device since it was opened; nothing computed after it can be trusted. */
interface Health {
  problem: CoordTokError | undefined;
}
const healthOf = new WeakMap<StockBackend, Health>();

/** @throws CoordTokError `backend` where there is no adapter. */
async function requestAdapter(gpu: GPU): Promise<GPUAdapter> {
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter !== null) return adapter;
  throw new CoordTokError(
    "backend",
    "WebGPU finds no graphics adapter here; use wasm, install the driver of the graphics card, or turn hardware acceleration on in the browser.",
  );
}

function describe(adapter: GPUAdapter): GpuAdapter {
  const { limits, features } = adapter;
  const info = infoOf(adapter);
  const { vendor, architecture, device, description } = info;
  // Browsers before 2025 tell it of the adapter itself.
  const software = [info, adapter].some(
    (holder: object) => "isFallbackAdapter" in holder && holder.isFallbackAdapter === true,
  );
  const parts = device === "" ? [vendor, architecture] : [device];
  const name = [...parts, description && `(${description})`].filter((part) => part !== "").join(" ");
  return {
    name: name === "" ? "adapter without a name" : name,
    software,
    features: [...features].sort(),
    largestTensorBytes: Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize),
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
  };
}

function infoOf(adapter: GPUAdapter): GPUAdapterInfo {
  return (adapter as unknown as { readonly info: GPUAdapterInfo }).info;
}

/**
 * Registers the backend `webgpu` with tfjs-core on a device of ours that has all features and limits of the adapter, unless a healthy
 * one is there already. The globals of WebGPU must exist.
 * @param software whether a software adapter will do.
 * @throws CoordTokError `backend` where there is no adapter, or only a software one and that will not do.
 */
export async function registerWebGpu(gpu: GPU, software: boolean): Promise<GpuAdapter> {
  const adapter = await requestAdapter(gpu);
  const described = describe(adapter);
  if (described.software && !software)
    throw new CoordTokError(
      "backend",
      `The only graphics adapter here is a program on the processor (${described.name}), which is slower than wasm; ask for webgpu by name to use it.`,
    );
  const { WebGPUBackend } = await import("@tensorflow/tfjs-backend-webgpu");
  overrideStockKernels();
  const current = engine().registry["webgpu"] as unknown as StockBackend | undefined;
  // The backend of a page that has started it already keeps its tensors.
  if (current !== undefined && !healthOf.has(current)) guard(current);
  if (current !== undefined && healthOf.get(current)?.problem === undefined) return described;
  // The one that the package would start has not all limits, and a broken one cannot be mended.
  current?.device.destroy();
  if ("webgpu" in engine().registryFactory) removeBackend("webgpu");
  registerBackend("webgpu", async () => {
    const device = await openDevice(adapter);
    const backend = new WebGPUBackend(device, infoOf(adapter));
    guard(backend as unknown as StockBackend);
    return backend;
  });
  return described;
}

async function openDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredLimits: Record<string, number> = {};
  // The limits are getters of the prototype.
  for (const name in adapter.limits) {
    const limit = (adapter.limits as unknown as Record<string, unknown>)[name];
    if (typeof limit === "number") requiredLimits[name] = limit;
  }
  const device = await adapter.requestDevice({
    requiredFeatures: [...adapter.features] as GPUFeatureName[],
    requiredLimits,
  });
  // The stock backend asks buffers for both whenever it makes or frees a tensor, and the device's own answers are slow.
  const createBuffer = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = createBuffer(descriptor);
    const { size, usage } = descriptor;
    return Object.defineProperties(buffer, { size: { value: size }, usage: { value: usage } });
  };
  return device;
}

/** Makes a backend honest: what its device reports is thrown, and tensors that it cannot bind are refused. */
function guard(backend: StockBackend): void {
  const { device, bufferManager } = backend;
  const health: Health = { problem: undefined };
  healthOf.set(backend, health);
  const largest = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    const { error } = event;
    const memory = error instanceof GPUOutOfMemoryError;
    health.problem ??= memory
      ? new CoordTokError(
          "memory",
          "The graphics card has no memory left; use a smaller batch, then load the backend again.",
        )
      : broken(`reports an error (${firstLine(error.message)})`);
  });
  void device.lost.then(({ message }) => {
    health.problem ??= broken(`is lost${message === "" ? "" : ` (${firstLine(message)})`}`);
  });
  const check = (): void => {
    if (health.problem !== undefined) throw health.problem;
  };
  const read = backend.read.bind(backend);
  const uploadToGPU = backend.uploadToGPU.bind(backend);
  backend.read = async (dataId) => {
    check();
    const values = await read(dataId);
    check();
    return values;
  };
  backend.uploadToGPU = (dataId) => {
    check();
    const data = backend.tensorMap.get(dataId);
    const bytes = data === undefined || data.resource !== undefined ? 0 : 4 * sizeOf(data.shape);
    if (bytes > largest) throw tooLarge(data?.shape ?? [], bytes, largest);
    uploadToGPU(dataId);
  };
  limitFreeBuffers(bufferManager, mostFreeBytes);
}

/** Gives freed buffers back to the device where those kept would hold more bytes; the stock backend keeps all of them. */
export function limitFreeBuffers(manager: StockBackend["bufferManager"], most: number): void {
  const releaseBuffer = manager.releaseBuffer.bind(manager);
  manager.releaseBuffer = (buffer, reuse = true) => {
    const free = manager.numBytesAllocated - manager.numBytesUsed;
    releaseBuffer(buffer, reuse && free + buffer.size <= most);
  };
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, extent) => size * extent, 1);
}

function broken(what: string): CoordTokError {
  return new CoordTokError(
    "backend",
    `The graphics device ${what}, so what has been computed on it is void; load the backend again, or use another one.`,
  );
}

function tooLarge(shape: readonly number[], bytes: number, largest: number): CoordTokError {
  const mebibytes = (count: number): string => `${String(Math.ceil(count / 2 ** 20))} MiB`;
  return new CoordTokError(
    "memory",
    `A tensor of shape [${shape.join(", ")}] takes ${mebibytes(bytes)}, and the graphics adapter takes ${mebibytes(largest)} at once; use a smaller batch or another backend.`,
  );
}

function firstLine(text: string): string {
  return (text.split("\n")[0] ?? "").trim().replace(/\.$/, "");
}

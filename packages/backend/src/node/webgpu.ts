import { existsSync, readdirSync } from "node:fs";
import { CoordTokError, messageOf } from "@coordtok/core";

/** The npm package that brings WebGPU to Node. */
const packageName = "webgpu";

// Kept, since the devices of a collected one end with it.
let opened: GPU | undefined;

/**
 * WebGPU in Node, by Dawn. Its globals, such as `GPUBuffer` and `navigator.gpu`, are there from then on, since tfjs-backend-webgpu takes
 * them from there.
 * @throws CoordTokError `backend` where the package is not installed or does not load.
 */
export async function openGpu(): Promise<GPU> {
  if (opened !== undefined) return opened;
  const present = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  if (present !== undefined) return (opened = present);
  const dawn = await import("webgpu").catch((thrown: unknown) => {
    const missing = (thrown as { code?: string }).code === "ERR_MODULE_NOT_FOUND";
    throw new CoordTokError(
      "backend",
      missing
        ? `${packageName} is not installed, which brings WebGPU to Node; run pnpm add ${packageName} (132 MB).`
        : `${packageName} does not load (${(messageOf(thrown).split("\n")[0] ?? "").trim()}); it has builds for Linux, macOS and Windows on x64 and arm64.`,
      { cause: thrown },
    );
  });
  Object.assign(globalThis, dawn.globals);
  const gpu: GPU = dawn.create([]);
  // Node has a navigator from version 21 on.
  const holder: object = (globalThis as { navigator?: object }).navigator ?? {};
  Object.defineProperty(holder, "gpu", { value: gpu, configurable: true });
  if (!("navigator" in globalThis))
    Object.defineProperty(globalThis, "navigator", { value: holder, configurable: true });
  return (opened = gpu);
}

/**
 * Whether this machine may have a graphics card. On Linux a look at the device files says so, without loading drivers, which print
 * what they miss.
 */
export function mayHaveGpu(): boolean {
  if (process.platform !== "linux") return true;
  if (["/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg", "/dev/mali0"].some((file) => existsSync(file))) return true;
  try {
    return readdirSync("/dev/dri").some((name) => name.startsWith("renderD"));
  } catch {
    return false;
  }
}

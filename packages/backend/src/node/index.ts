import { createRequire } from "node:module";
import { dirname, join, sep } from "node:path";
import type { Platform } from "../platform.js";
import { withoutProcessHandlers } from "./process-handlers.js";
import { loadNative, nativeDevices, nativeVersions, useNativeFused } from "./native.js";
import { mayHaveGpu, openGpu } from "./webgpu.js";

/** The platform of Node. */
export const platform: Platform = {
  kind: "node",
  loadNative: async (request) => {
    const { precision, notes } = await loadNative(request);
    return { precision, notes };
  },
  nativeDevices,
  nativeVersions,
  useNativeFused,
  openGpu,
  mayHaveGpu,
  fusedAllowed: () => process.env["COORDTOK_FUSED"] !== "0",
  availableBytes: () => process.availableMemory(),
  wasmFiles: () => {
    const manifest = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm/package.json");
    return Promise.resolve({ paths: join(dirname(manifest), "wasm-out") + sep, threads: true });
  },
  withoutProcessHandlers,
};

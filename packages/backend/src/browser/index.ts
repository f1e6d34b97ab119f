import { CoordTokError } from "@coordtok/core";
import type { Platform } from "../platform.js";
import { embeddedWasm } from "./wasm-address.js";

function unavailable(): never {
  throw new CoordTokError("backend", "The native backend runs in Node only; use webgpu or wasm here.");
}

/** The platform of browsers and of anything that is not Node. */
export const platform: Platform = {
  kind: "browser",
  loadNative: () => Promise.resolve().then(unavailable),
  nativeDevices: unavailable,
  nativeVersions: unavailable,
  useNativeFused: unavailable,
  openGpu: () => {
    const { gpu } = navigator as { readonly gpu?: GPU };
    if (gpu !== undefined) return Promise.resolve(gpu);
    const sentence = "There is no WebGPU here; use a current browser on a page served over https or from localhost.";
    return Promise.reject(new CoordTokError("backend", sentence));
  },
  mayHaveGpu: () => true,
  fusedAllowed: () => true,
  availableBytes: () => undefined,
  wasmFiles: embeddedWasm,
  withoutProcessHandlers: (start) => start(),
};

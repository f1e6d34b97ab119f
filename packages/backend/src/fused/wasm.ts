import { messageOf } from "@coordtok/core";
import { getKernel, registerKernel, unregisterKernel, type KernelConfig } from "@tensorflow/tfjs-core";
import { inflate } from "../inflate.js";
import { callOf } from "./call.js";
import { operationTable } from "./operation-table.js";
import type { FusedState } from "./state.js";
import { linkWasmLibrary, type WasmBackend, type WasmLibrary } from "./wasm-library.js";
import { overrideStockKernels } from "./wasm-overrides.js";

const backendName = "wasm";
const testedVersion = "4.22.0";

interface Linked {
  readonly library: WasmLibrary;
  readonly build: string;
}
const linked = new WeakMap<object, Promise<Linked>>();

/**
 * Registers the fused operations with tfjs-core for the wasm backend and overrides some stock kernels, or undoes both.
 * @param version the version of tfjs-backend-wasm, on whose internals they depend.
 */
export async function useWasmFused(backend: WasmBackend, version: string, wanted: boolean): Promise<FusedState> {
  register(undefined);
  if (!wanted) return { active: false, text: "switched off" };
  if (version !== testedVersion)
    return {
      active: false,
      text: `they need tfjs-backend-wasm ${testedVersion}, but ${version} is in use`,
      problem: true,
    };
  try {
    let linking = linked.get(backend.wasm);
    if (linking === undefined) linked.set(backend.wasm, (linking = link(backend)));
    const { library, build } = await linking;
    register(library);
    return { active: true, text: `${build}, 1 thread` };
  } catch (thrown) {
    linked.delete(backend.wasm);
    return { active: false, text: messageOf(thrown).split("\n")[0] ?? "", problem: true };
  }
}

async function link(backend: WasmBackend): Promise<Linked> {
  const { wasmFiles } = await import("./wasm-files.js");
  for (const [build, { deflated }] of Object.entries(wasmFiles)) {
    const file = await inflate(deflated);
    if (WebAssembly.validate(file)) return { library: await linkWasmLibrary(backend, file), build };
  }
  throw new Error("this engine has no SIMD in WebAssembly");
}

function register(library: WasmLibrary | undefined): void {
  overrideStockKernels(library);
  for (const [name, signature] of Object.entries(operationTable)) {
    if ((getKernel(name, backendName) as KernelConfig | undefined) !== undefined) unregisterKernel(name, backendName);
    if (library === undefined) continue;
    registerKernel({
      kernelName: name,
      backendName,
      kernelFunc: ({ inputs, attrs }) => library.call(name, callOf(name, signature, inputs, attrs)),
    });
  }
}

import { writeWasmKernels } from "./wasm-kernels.js";

console.log(await writeWasmKernels());

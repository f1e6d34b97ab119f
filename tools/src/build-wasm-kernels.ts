import { writeFusedTableFiles } from "./fused-table.js";
import { writeWasmKernels } from "./wasm-kernels.js";

console.log((await writeFusedTableFiles()).join("\n"));
console.log(await writeWasmKernels());

import { writeFusedTableFiles } from "./fused-table.js";
import { writeStockWasm } from "./stock-wasm.js";
import { writeWasmKernels } from "./wasm-kernels.js";

console.log((await writeFusedTableFiles()).join("\n"));
console.log(await writeStockWasm());
console.log(await writeWasmKernels());

import { inflate } from "../inflate.js";
import type { WasmFiles } from "../platform.js";

/**
 * An address of the file of tfjs-backend-wasm that this package holds. Bundlers disagree about files beside a program, so the file comes
 * as a part of it, in a module that is only loaded where no address was given.
 */
export async function embeddedWasm(): Promise<WasmFiles> {
  const { stockWasm } = await import("./stock-wasm.js");
  const file = new Blob([await inflate(stockWasm.deflated)], { type: "application/wasm" });
  const address = URL.createObjectURL(file);
  // Only the last is asked for where there is SIMD and threads are switched off, but tfjs-backend-wasm wants an address for each.
  const paths = Object.fromEntries(
    ["tfjs-backend-wasm.wasm", "tfjs-backend-wasm-threaded-simd.wasm", "tfjs-backend-wasm-simd.wasm"].map((name) => [
      name,
      address,
    ]),
  );
  return { paths, threads: false, release: () => URL.revokeObjectURL(address) };
}

import { backend, fill, matMul, memory, ones, tidy, type KernelBackend, type Tensor2D } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { loadBackend, type LoadedBackend } from "./load.js";

let loaded: LoadedBackend;

beforeAll(async () => {
  loaded = await loadBackend("wasm");
});

describe("the memory of wasm", () => {
  it(
    "refuses a tensor that does not fit with one sentence, and keeps working with the others",
    { timeout: 60_000 },
    async () => {
      const kept: Tensor2D = fill([64, 64], 3);
      const before = { free: loaded.freeBytes()!, tensors: memory().numTensors };
      const wasm = backend() as KernelBackend & { write(values: null, shape: number[], dtype: "float32"): object };
      const blocks: object[] = [];
      // The blocks are never written to, so the test does not take 4 GB of memory.
      const fillUp = (): void => {
        while (blocks.length < 20) blocks.push(wasm.write(null, [2 ** 26], "float32"));
      };
      expect(fillUp).toThrow(/wasm has room for 3\.76 GB .* was asked for 0\.27 GB more; use a smaller batch/);
      expect(blocks).toHaveLength(13);
      expect(() => tidy(() => ones([2 ** 14, 2 ** 14]))).toThrow(/wasm has room/);
      for (const block of blocks) wasm.disposeData(block);
      expect(loaded.freeBytes()).toBe(before.free);
      const product = tidy(() => matMul(kept, kept));
      expect(new Set(await product.data())).toEqual(new Set([64 * 9]));
      product.dispose();
      expect(memory().numTensors).toBe(before.tensors);
      kept.dispose();
    },
  );

  it("counts the bytes that tensors allocate and free", () => {
    const free = loaded.freeBytes()!;
    const block = ones([1024, 1024]);
    expect(free - loaded.freeBytes()!).toBe(2 ** 22);
    block.dispose();
    expect(loaded.freeBytes()).toBe(free);
  });
});

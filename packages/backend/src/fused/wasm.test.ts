import { setFlagsFromString } from "node:v8";
import { Random } from "@coordtok/core";
import { backendTraits, hasFused } from "@coordtok/core/nn";
import {
  backend,
  dispose,
  erf,
  fused,
  matMul,
  memory,
  softmax,
  sum,
  tensor,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
} from "@tensorflow/tfjs-core";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadBackend } from "../load.js";
import { useWasmFused } from "./wasm.js";
import { linkWasmLibrary, type WasmBackend } from "./wasm-library.js";

// The flag counts for files that are compiled after it, so that one process can have both builds.
const flag = "experimental-wasm-relaxed-simd";

async function use(build: string): Promise<WasmBackend> {
  setFlagsFromString(build === "SIMD" ? `--no-${flag}` : `--${flag}`);
  await loadBackend("wasm", { fused: false });
  const wasm = backend() as unknown as WasmBackend;
  // Its own key in the table of linked libraries, so that it is linked anew.
  const alias = Object.create(wasm, { wasm: { value: Object.create(wasm.wasm) as object } }) as WasmBackend;
  expect(await useWasmFused(alias, "4.22.0", true)).toEqual({ active: true, text: `${build}, 1 thread` });
  return wasm;
}

function normal(seed: number, size: number): Float32Array {
  return new Random(seed).normals(size);
}

/** Compares with float64; the limit is a share of the largest number. Returns the values. */
function expectClose(got: Tensor, expected: readonly number[], allowed = 2e-6): void {
  const values = got.dataSync();
  expect(values.length).toBe(expected.length);
  const most = expected.reduce((top, value) => Math.max(top, Math.abs(value)), 1e-30);
  const error = expected.reduce((top, value, i) => Math.max(top, Math.abs(value - values[i]!)), 0);
  expect(error / most).toBeLessThan(allowed);
  got.dispose();
}

describe.each(["SIMD", "relaxed SIMD"])("the wasm file for %s", (build) => {
  beforeEach(() => use(build));
  afterEach(() => loadBackend("wasm", { fused: false }));

  it("multiplies matrices of any size, transposed, in batches and with a bias", () => {
    const sizes = fc.record({
      rows: fc.constantFrom(1, 3, 5, 97, 130),
      columns: fc.constantFrom(1, 7, 8, 9, 67),
      depth: fc.constantFrom(1, 4, 31, 257),
      aBatch: fc.constantFrom(1, 3),
      bBatch: fc.constantFrom(1, 3),
      transposeA: fc.boolean(),
      transposeB: fc.boolean(),
    });
    fc.assert(
      fc.property(sizes, ({ rows, columns, depth, aBatch, bBatch, transposeA, transposeB }) => {
        const [a, b] = [normal(1, aBatch * rows * depth), normal(2, bBatch * depth * columns)];
        const batch = Math.max(aBatch, bBatch);
        const expected: number[] = [];
        for (let n = 0; n < batch; n++)
          for (let r = 0; r < rows; r++)
            for (let c = 0; c < columns; c++) {
              const [left, right] = [(aBatch === 1 ? 0 : n) * rows * depth, (bBatch === 1 ? 0 : n) * depth * columns];
              let total = 0;
              for (let k = 0; k < depth; k++)
                total +=
                  a[left + (transposeA ? k * rows + r : r * depth + k)]! *
                  b[right + (transposeB ? c * depth + k : k * columns + c)]!;
              expected.push(total);
            }
        const x = tensor(a, transposeA ? [aBatch, depth, rows] : [aBatch, rows, depth]);
        const y = tensor(b, transposeB ? [bBatch, columns, depth] : [bBatch, depth, columns]);
        const before = memory().numTensors;
        const product = matMul(x, y, transposeA, transposeB);
        expect(product.shape).toEqual([batch, rows, columns]);
        expectClose(product, expected);
        expect(memory().numTensors).toBe(before);
        dispose([x, y]);
      }),
      { numRuns: 60, seed: 5 },
    );
    const [a, b, bias] = [tensor([[1, 2]]) as Tensor2D, tensor([[3], [4]]) as Tensor2D, tensor([5]) as Tensor1D];
    expectClose(fused.matMul({ a, b, bias }), [16]);
    expectClose(fused.matMul({ a, b, bias: tensor([-20]) as Tensor1D, activation: "relu" }), [0]);
    expect(() => matMul(a, a)).toThrow(/inner shapes|must match/);
    expectClose(matMul(tensor([], [2, 0]), tensor([], [0, 3])), [0, 0, 0, 0, 0, 0]);
  });

  it("sums over leading axes, and leaves other sums to the stock kernel", () => {
    const x = normal(3, 131 * 5 * 7);
    const input = tensor(x, [131, 5, 7]);
    const sums = (size: number, key: (i: number) => number): number[] => {
      const totals = new Array<number>(size).fill(0);
      x.forEach((value, i) => (totals[key(i)]! += value));
      return totals;
    };
    expectClose(
      sum(input, 0),
      sums(35, (i) => i % 35),
    );
    expectClose(
      sum(input, [1, 0]),
      sums(7, (i) => i % 7),
    );
    expectClose(
      sum(input, 2),
      sums(655, (i) => Math.floor(i / 7)),
    );
    expectClose(
      sum(input, 1),
      sums(131 * 7, (i) => Math.floor(i / 35) * 7 + (i % 7)),
    );
    const kept = sum(input, [0, 1], true);
    expect(kept.shape).toEqual([1, 1, 7]);
    dispose([kept, input]);
    expectClose(sum(tensor([[1], [2]], [2, 1], "int32"), 0), [3]);
  });

  it("computes the softmax of rows of any length, large numbers and NaN included", () => {
    for (const columns of [1, 3, 4, 5, 66]) {
      const x = normal(columns, 9 * columns).map((value) => value * 20 + 1000);
      const rows = Array.from({ length: 9 }, (_, r) => [...x.slice(r * columns, (r + 1) * columns)]);
      const expected = rows.flatMap((row) => {
        const weights = row.map((value) => Math.exp(value - Math.max(...row)));
        const total = weights.reduce((one, other) => one + other, 0);
        return weights.map((weight) => weight / total);
      });
      expectClose(softmax(tensor(x, [9, columns])), expected);
    }
    expect([...softmax(tensor([NaN, 1, 2])).dataSync()]).toEqual([NaN, NaN, NaN]);
    expectClose(softmax(tensor([-Infinity, 0, 0])), [0, 0.5, 0.5]);
  });

  it("computes the error function", () => {
    const points = [0, 0.5, -1, 2, 30, -30, 1e-3];
    const known = [0, 0.520499877813, -0.842700792949, 0.995322265018, 1, -1, 0.00112837879];
    expectClose(erf(tensor(points)), known, 5e-7);
    expect([...erf(tensor([NaN, Infinity, -Infinity])).dataSync()]).toEqual([NaN, 1, -1]);
  });
});

describe("the fused operations of wasm", () => {
  it("are switched off with the traits of the stock kernels, and on again", async () => {
    expect((await loadBackend("wasm", { fused: false })).fused).toEqual({ active: false, text: "switched off" });
    expect([hasFused("CoordTokGelu"), backendTraits().batchedProducts]).toEqual([false, false]);
    expect((await loadBackend("wasm", { fused: true })).fused.active).toBe(true);
    expect([hasFused("CoordTokGelu"), backendTraits().batchedProducts]).toEqual([true, true]);
  });

  it("refuse an untested version, and a backend that keeps its memory elsewhere, with a reason", async () => {
    await loadBackend("wasm", { fused: false });
    const wasm = backend() as unknown as WasmBackend;
    const other = await useWasmFused(wasm, "4.23.0", true);
    expect(other).toMatchObject({ active: false, problem: true });
    expect(other.text).toMatch(/4\.22\.0, but 4\.23\.0 is in use/);
    const free = (await loadBackend("wasm", { fused: false })).freeBytes()!;
    const threaded = { ...wasm, wasm: Object.create(wasm.wasm, { asm: { value: {} } }) as WasmBackend["wasm"] };
    await expect(linkWasmLibrary(threaded, new Uint8Array(8))).rejects.toThrow(/memory elsewhere/);
    await expect(linkWasmLibrary(wasm, new Uint8Array(8))).rejects.toThrow(WebAssembly.CompileError);
    expect((await loadBackend("wasm", { fused: false })).freeBytes()).toBe(free);
    expect(hasFused("CoordTokGelu")).toBe(false);
  });

  it("throw when the memory is full, and earlier tensors stay usable", async () => {
    const loaded = await loadBackend("wasm", { fused: true });
    const { wasm } = backend() as unknown as WasmBackend;
    const x = tensor(normal(1, 64 * 64), [64, 64]) as Tensor2D;
    const taken: number[] = [];
    while (loaded.freeBytes()! > 2 ** 27) taken.push(wasm._malloc(2 ** 27));
    taken.push(wasm._malloc(loaded.freeBytes()! - 1000));
    const before = memory().numTensors;
    expect(() => matMul(x, x, true)).toThrow(/wasm has room for/);
    expect(memory().numTensors).toBe(before);
    for (const pointer of taken) wasm._free(pointer);
    const product = matMul(x, x, true);
    expect(product.dataSync().every(Number.isFinite)).toBe(true);
    dispose([product, x]);
  });
});

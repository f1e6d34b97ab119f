import { testBackends } from "@coordtok/tools";
import { mistyped } from "@coordtok/tools/mistyped";
import {
  add,
  addN,
  cast,
  cos,
  fused,
  greater,
  matMul,
  memory,
  mul,
  pad,
  scatterND,
  sin,
  sub,
  tensor,
  tidy,
  transpose,
  where,
  zeros,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
} from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it } from "vitest";
import { loadBackend } from "../load.js";
import { limitFreeBuffers } from "./device.js";
import { product, tiles } from "./kernels/product.js";
import { agree, errorOf, of, on, stock, timeout } from "./testdata/agree.js";

const found = (await testBackends()).find(({ name }) => name === "webgpu");
const runs = found?.available === true;
const skipped = runs ? "" : " (skipped: runs where COORDTOK_TEST_BACKENDS names webgpu)";

describe.skipIf(!runs)(`the backend webgpu${skipped}`, { timeout }, () => {
  beforeEach(async () => {
    await loadBackend("webgpu", { purpose: "training" });
  });

  it("sums of more tensors than a shader binds are those of the processor", async () => {
    await agree("cpu", 1e-7, () => [addN(Array.from({ length: 108 }, (_, i) => of([7, 5], i)))]);
  });

  it("operations over five and six axes are those of the processor", async () => {
    await agree("cpu", 0, () => [
      add(of([2, 3, 4, 5, 6]), of([2, 1, 4, 1, 6], 2)),
      mul(of([2, 3, 4, 2, 3, 4]), of([3, 4, 2, 3, 4], 2)),
      greater(of([2, 3, 4, 5, 8]), of([8], 2)),
      transpose(of([2, 5, 3, 8, 6]), [2, 0, 3, 1, 4]),
      transpose(of([2, 3, 3, 4, 2, 5]), [2, 0, 3, 1, 5, 4]),
      where(greater(of([3, 4, 2, 6, 7]), 0), of([3, 4, 2, 6, 7], 3), of([3, 4, 2, 6, 7], 4)),
      ...[0, 3].map((fill) =>
        pad(
          of([2, 3, 4, 5, 6]),
          mistyped([
            [0, 0],
            [1, 2],
            [0, 0],
            [2, 0],
            [1, 1],
          ]),
          fill,
        ),
      ),
    ]);
  });

  it("integers stay exact beyond 2^24, turn over, and become floats", async () => {
    const whole = (): Tensor =>
      tensor(
        Array.from({ length: 2000 }, (_, i) => 16_777_217 + i),
        [40, 50],
        "int32",
      );
    await agree("cpu", 0, () => [
      add(whole(), tensor(1, [], "int32")),
      sub(whole(), tensor([3, 5], [2, 1, 1], "int32")),
      mul(whole(), tensor(3, [], "int32")),
      transpose(whole()),
      transpose(
        tensor(
          Array.from({ length: 600 }, (_, i) => i % 3 === 0),
          [20, 30],
          "bool",
        ),
      ),
      cast(greater(of([2000]), 0), "float32"),
    ]);
    await loadBackend("webgpu");
    const floats = await cast(add(whole(), tensor(1, [], "int32")), "float32").data();
    expect(floats).toEqual(Float32Array.from({ length: 2000 }, (_, i) => 16_777_218 + i));
  });

  it("sine and cosine are exact to float32 where WGSL promises four digits", async () => {
    const x = Float32Array.from({ length: 1000 }, (_, i) => (i - 500) * 0.731);
    for (const [wave, expected] of [
      [sin, Math.sin],
      [cos, Math.cos],
    ] as const) {
      const got = await wave(tensor(x)).data();
      expect(errorOf(got, Array.from(x, expected))).toBeLessThan(2e-7);
    }
  });

  it.each([false, true])("products are those of the processor, the first factor transposed: %s", async (transposeA) => {
    await agree("cpu", 3e-6, () =>
      [
        [70, 45, 33],
        [64, 72, 68],
        [5, 3000, 8],
        [8, 1000, 12],
      ].flatMap(([rows, depth, columns]) =>
        [false, true].map((transposeB) => {
          const a = of(transposeA ? [depth!, rows!] : [rows!, depth!]);
          const b = of(transposeB ? [columns!, depth!] : [depth!, columns!], 2);
          return matMul(a, b, transposeA, transposeB);
        }),
      ),
    );
  });

  it("products of batches, with a bias, of nothing and with each size of tile are those of the processor", async () => {
    await agree("cpu", 1e-6, () => [
      matMul(of([3, 20, 16]), of([3, 16, 24], 2)),
      matMul(of([3, 20, 16]), of([16, 24], 2)),
      fused.matMul({ a: of([20, 16]) as Tensor2D, b: of([16, 24], 2) as Tensor2D, bias: of([24], 3) as Tensor1D }),
      matMul(of([4, 0]), of([0, 8])),
      matMul(of([0, 4]), of([4, 8])),
    ]);
    await loadBackend("webgpu");
    const [a, b] = [of([140, 36]), of([36, 132], 2)];
    const shape = [140, 132];
    const facts = {
      a,
      b,
      bias: undefined,
      transposeA: false,
      transposeB: false,
      batch: 1,
      rows: 140,
      columns: 132,
      depth: 36,
    };
    const results = tiles.map((tile) =>
      product(stock(), { ...facts, aBatch: 0, bBatch: 0, shape }, { tile, slices: 1 }),
    );
    const numbers = await Promise.all(results.map(async ({ dataId }) => stock().read(dataId) as Promise<Float32Array>));
    // Every number is added up in the same order whatever the tile.
    for (const one of numbers) expect(one).toEqual(numbers[0]);
    results.forEach(({ dataId }) => stock().disposeData(dataId));
    const [expected] = await on("cpu", () => [matMul(of([140, 36]), of([36, 132], 2))]);
    expect(errorOf(numbers[0]!, expected!)).toBeLessThan(1e-6);
  });

  it("products and sums at chosen places are the same bit for bit in every run", async () => {
    const places = (): Tensor2D =>
      tensor(
        Array.from({ length: 900 }, (_, i) => (i * i) % 37),
        [900, 1],
        "int32",
      ) as Tensor2D;
    const call = (): Tensor[] => [
      matMul(of([8, 4000]), of([4000, 12], 2)),
      scatterND(places(), of([900, 70]), mistyped([40, 70])),
    ];
    const [first, second] = [await on("webgpu", call), await on("webgpu", call)];
    expect(second).toEqual(first);
    await agree("cpu", 2e-6, () => [call()[1]!]);
  });

  it("a tensor beyond the adapter's limit is refused with figures before it is made", () => {
    const { device } = stock();
    const most = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
    const rows = Math.floor(most / 4 / 2 ** 20) + 1;
    const before = memory().numTensors;
    expect(() => tidy(() => add(zeros([rows, 1024, 1024]), 1))).toThrow(
      new RegExp(
        `\\[${String(rows)}, 1024, 1024\\] takes ${String(rows * 4)} MiB, and the graphics adapter takes [0-9]+ MiB`,
      ),
    );
    expect(memory().numTensors).toBe(before);
  });

  it("an error of the device is thrown where the next numbers are read, and loading again mends it", async () => {
    const x = of([2000]);
    stock().device.createBuffer({ size: 64, usage: 0xffff });
    await expect((async () => add(x, 1).data())()).rejects.toMatchObject({ code: "backend" });
    await loadBackend("webgpu");
    expect(await add(tensor([1, 2]), 1).data()).toEqual(Float32Array.of(2, 3));
  });

  it("a lost device is reported, and loading again opens another", async () => {
    const { device } = stock();
    const x = of([2000]);
    await add(x, 1).data();
    device.destroy();
    await expect(
      (async () => {
        for (let i = 0; i < 10; i++) await add(x, i).data();
      })(),
    ).rejects.toThrow();
    await loadBackend("webgpu");
    expect(stock().device).not.toBe(device);
    expect(await add(tensor([1, 2]), 1).data()).toEqual(Float32Array.of(2, 3));
  });
});

describe("the buffers that a backend keeps", () => {
  it("hold no more bytes than allowed", () => {
    const kept: boolean[] = [];
    const manager = {
      numBytesUsed: 0,
      numBytesAllocated: 0,
      releaseBuffer: (_: GPUBuffer, reuse = true) => void kept.push(reuse),
    };
    limitFreeBuffers(manager, 100);
    const buffer = { size: 40 } as GPUBuffer;
    for (const free of [0, 60, 61]) {
      manager.numBytesAllocated = free;
      manager.releaseBuffer(buffer);
    }
    manager.numBytesAllocated = 0;
    manager.releaseBuffer(buffer, false);
    expect(kept).toEqual([true, true, false, false]);
  });
});

import { Random, treeFromLeaves, treeLeaves } from "@coordtok/core";
import {
  createMemoryBlock,
  crossAttention,
  hasFused,
  layerNorm,
  memoryBlock,
  randomInitializer,
  runFused,
  selfAttention,
} from "@coordtok/core/nn";
import { adamw, emaUpdate, globalNorm } from "@coordtok/core/train";
import { expectNoLeak, testBackends } from "@coordtok/tools";
import { mistyped } from "@coordtok/tools/mistyped";
import {
  add,
  addN,
  backend,
  cast,
  cos,
  dispose,
  engine,
  fused,
  greater,
  keep,
  matMul,
  memory,
  mul,
  pad,
  scatterND,
  sin,
  sub,
  sum,
  tensor,
  tidy,
  transpose,
  valueAndGrads,
  where,
  zeros,
  type NamedAttrMap,
  type NamedTensorMap,
  type Scalar,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
} from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it } from "vitest";
import { loadBackend } from "../load.js";
import { limitFreeBuffers } from "./device.js";
import { product, tiles } from "./kernels/product.js";
import type { StockBackend } from "./stock.js";

// Software adapters compile a shader in a second or more.
const timeout = 240_000;
const found = (await testBackends()).find(({ name }) => name === "webgpu");
const title = found?.available === true ? "" : " (skipped: runs where COORDTOK_TEST_BACKENDS names webgpu)";

type Numbers = ArrayLike<number>;

function normal(seed: number, size: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: size }, () => (random.uniform() - 0.5) * Math.sqrt(12));
}

function of(shape: readonly number[], seed = 1): Tensor {
  return tensor(
    normal(
      seed,
      shape.reduce((size, extent) => size * extent, 1),
    ),
    [...shape],
  );
}

/** What a call gives on a backend. */
async function on(name: "webgpu" | "wasm" | "cpu", call: () => Tensor[]): Promise<Numbers[]> {
  await loadBackend(name, { purpose: "training" });
  const results = call();
  const numbers = await Promise.all(results.map(async (result) => result.data()));
  dispose(results);
  return numbers;
}

/** The largest difference over the largest number expected; infinite where one is no number. */
function errorOf(got: Numbers, expected: Numbers): number {
  expect(got.length).toBe(expected.length);
  let [largest, difference] = [1e-30, 0];
  for (let i = 0; i < expected.length; i++) {
    if (Number.isNaN(got[i]! - expected[i]!)) return Infinity;
    largest = Math.max(largest, Math.abs(expected[i]!));
    difference = Math.max(difference, Math.abs(got[i]! - expected[i]!));
  }
  return difference / largest;
}

async function agree(other: "wasm" | "cpu", most: number, call: () => Tensor[]): Promise<void> {
  const [got, expected] = [await on("webgpu", call), await on(other, call)];
  expect(got.length).toBe(expected.length);
  got.forEach((numbers, i) => expect(errorOf(numbers, expected[i]!), `result ${String(i)}`).toBeLessThanOrEqual(most));
}

/** The gradients of a call at its inputs; its value beside them. */
function withGradients(inputs: Tensor[], dy: Tensor, call: (...inputs: Tensor[]) => Tensor): Tensor[] {
  let value: Tensor | undefined;
  const { grads } = valueAndGrads((...leaves: Tensor[]) => {
    const result = call(...leaves);
    value = keep(result.clone());
    return sum(mul(result, dy)) as Scalar;
  })(inputs);
  return [value!, ...grads];
}

describe.skipIf(found?.available !== true)(`the backend webgpu${title}`, { timeout }, () => {
  beforeEach(async () => {
    await loadBackend("webgpu", { purpose: "training" });
  });

  it("has the fused operations of layers, look-up and optimizer, and goes without them when asked", async () => {
    expect(hasFused("CoordTokSelfAttentionGradient")).toBe(true);
    const loaded = await loadBackend("webgpu", { fused: false });
    expect(loaded.fused).toEqual({ active: false, text: "switched off" });
    expect(hasFused("CoordTokSelfAttention")).toBe(false);
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

  it.each([
    [2, 37, 16, 2],
    [1, 70, 21, 3],
  ])(
    "attention and its gradients are those of wasm: %i clips of %i tokens, width %i, %i heads",
    async (clips, tokens, width, heads) => {
      await agree("wasm", 2e-6, () => [
        ...withGradients([of([clips, tokens, 3 * width])], of([clips, tokens, width], 2), (packed) =>
          selfAttention(packed as Tensor3D, heads),
        ),
        ...withGradients(
          [of([clips, tokens, width]), of([clips, 41, 2 * width], 3)],
          of([clips, tokens, width], 2),
          (query, keyValue) => crossAttention(query as Tensor3D, keyValue as Tensor3D, heads),
        ),
      ]);
    },
  );

  it("a masked key weighs nothing in attention, and a clip whose keys are all masked gives 0", async () => {
    const bias = (): Tensor2D =>
      tensor(
        Array.from({ length: 80 }, (_, i) => (i >= 40 || i % 3 === 0 ? -1e9 : 0)),
        [2, 40],
      ) as Tensor2D;
    const call = (): Tensor[] =>
      withGradients([of([2, 40, 48])], of([2, 40, 16], 2), (packed) => selfAttention(packed as Tensor3D, 2, bias()));
    await agree("wasm", 2e-6, call);
    const [out] = await on("webgpu", call);
    expect(Array.from(out!).slice(40 * 16)).toEqual(new Array(40 * 16).fill(0));
  });

  it.each([100, 99])("layer norm over %i numbers and its gradients are those of wasm", async (columns) => {
    await agree("wasm", 2e-6, () =>
      withGradients(
        [of([2, 70, columns]), of([columns], 5), of([columns], 6)],
        of([2, 70, columns], 2),
        (x, scale, shift) => layerNorm({ scale: scale as Tensor1D, shift: shift as Tensor1D }, x, 1e-5),
      ),
    );
  });

  it("a block and its gradients are those of wasm, and nothing is left behind", async () => {
    const call = (): Tensor[] => {
      const params = createMemoryBlock(randomInitializer(new Random(1)), 32);
      const results = withGradients(
        [of([2, 33, 32]), of([2, 19, 32], 3), ...treeLeaves(params)],
        of([2, 33, 32], 4),
        (own, source, ...rest) =>
          memoryBlock(treeFromLeaves(params, rest), own as Tensor3D, source as Tensor3D, { heads: 2, epsilon: 1e-6 }),
      );
      return results;
    };
    await agree("wasm", 4e-6, () => tidy(call));
    await loadBackend("webgpu");
    expectNoLeak(() => {
      dispose(tidy(call));
    });
  });

  it("activations, modulated norms, gated sums, column sums and look-ups are those of wasm", async () => {
    const cells = (): Tensor2D =>
      tensor(
        Array.from({ length: 360 }, (_, i) => (i * i * 7) % 50),
        [4, 90],
        "int32",
      ) as Tensor2D;
    const steps = (): Tensor2D =>
      tensor(
        Float32Array.from({ length: 61 * 35 }, (_, i) => (i - 1000) / 60),
        [61, 35],
      ) as Tensor2D;
    await agree("wasm", 5e-7, () => [
      ...runFused("CoordTokGelu", { x: steps(), bias: of([35], 3) as Tensor1D }, {}),
      ...runFused("CoordTokGeluGradient", { x: steps(), dy: of([61, 35]) as Tensor2D }, {}),
      ...runFused("CoordTokTanhGelu", { x: of([61, 36]) as Tensor2D }, {}),
      ...[36, 35].flatMap((width) => {
        const [x, addend] = [of([2, 5, width]), of([2, 5, width], 3)] as [Tensor3D, Tensor3D];
        const modulation = of([2, 4 * width], 2) as Tensor2D;
        const bias = of([width], 4) as Tensor1D;
        return [
          ...runFused("CoordTokModulatedNorm", { x, modulation, addend, bias }, { epsilon: 1e-6, vector: 1 }),
          ...runFused("CoordTokModulatedNorm", { x, modulation }, { epsilon: 1e-6, vector: 2 }),
          ...runFused("CoordTokGatedAdd", { x, addend, modulation, bias }, { vector: 2 }),
          ...runFused("CoordTokColumnSums", { x: of([301, width]) as Tensor2D }, {}),
        ];
      }),
      ...[12, 73].flatMap((width) => [
        ...lookup(
          "CoordTokWeightedRows",
          { table: of([50, width]) as Tensor2D, weights: of([4, 90], 2) as Tensor2D, cells: cells() },
          {},
        ),
        ...lookup(
          "CoordTokWeightedRowsGradient",
          { dy: of([90, width]) as Tensor2D, weights: of([4, 90], 2) as Tensor2D, cells: cells() },
          { rows: 50 },
        ),
      ]),
    ]);
  });

  it("AdamW, moving averages and norms over lists are those of wasm", async () => {
    const shapes = [[3, 7], [1], [0, 4], [257, 129]];
    const tree = (seed: number): Record<string, Tensor> =>
      Object.fromEntries(shapes.map((shape, i) => [`p${String(i)}`, of(shape, seed + i)]));
    await agree("wasm", 2e-6, () => {
      const [params, gradients, average] = [tree(1), tree(20), tree(40)];
      const optimizer = adamw(0.01, { weightDecay: 0.1 });
      const updated = optimizer.update({ step: 0, params, gradients, gradientScale: 0.5 }, optimizer.init(params));
      return [
        ...treeLeaves([updated.params, updated.state, emaUpdate(average, params, 0.9)]),
        globalNorm(gradients),
      ] as Tensor[];
    });
  });

  it("inputs that do not fit are refused with a sentence", () => {
    const packed = of([2, 5, 12]) as Tensor3D;
    expect(() => runFused("CoordTokSelfAttention", { packed }, { heads: 3, statistics: false })).toThrow(
      /heads do not divide/,
    );
    expect(() => runFused("CoordTokGelu", { x: of([1, 3]) as Tensor2D, bias: of([2]) as Tensor1D }, {})).toThrow(
      /differs from x/,
    );
  });

  it("a cell outside the table of a look-up gives no number", async () => {
    const [out] = lookup(
      "CoordTokWeightedRows",
      {
        table: of([3, 4]) as Tensor2D,
        weights: of([1, 2]) as Tensor2D,
        cells: tensor([[2, 3]], [1, 2], "int32") as Tensor2D,
      },
      {},
    );
    expect(Array.from(await out!.data(), (value) => Number.isNaN(value))).toEqual([
      ...[false, false, false, false],
      ...[true, true, true, true],
    ]);
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

/** An operation of the table of `@coordtok/triplane`, which is no dependency of this package. */
function lookup(name: string, inputs: NamedTensorMap, attributes: NamedAttrMap): Tensor[] {
  const outputs: Tensor | Tensor[] = engine().runKernel(name, inputs, attributes);
  return [outputs].flat();
}

function stock(): StockBackend {
  return backend() as unknown as StockBackend;
}

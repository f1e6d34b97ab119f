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
import {
  dispose,
  engine,
  tensor,
  tidy,
  type NamedAttrMap,
  type NamedTensorMap,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
} from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it } from "vitest";
import { loadBackend } from "../load.js";
import { agree, of, on, timeout, withGradients } from "./testdata/agree.js";

const found = (await testBackends()).find(({ name }) => name === "webgpu");
const runs = found?.available === true;
const skipped = runs ? "" : " (skipped: runs where COORDTOK_TEST_BACKENDS names webgpu)";

describe.skipIf(!runs)(`the fused operations of webgpu${skipped}`, { timeout }, () => {
  beforeEach(async () => {
    await loadBackend("webgpu", { purpose: "training" });
  });

  it("has the fused operations of layers, look-up and optimizer, and goes without them when asked", async () => {
    expect(hasFused("CoordTokSelfAttentionGradient")).toBe(true);
    const loaded = await loadBackend("webgpu", { fused: false });
    expect(loaded.fused).toEqual({ active: false, text: "switched off" });
    expect(hasFused("CoordTokSelfAttention")).toBe(false);
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
});

/** An operation of the table of `@coordtok/triplane`, which is no dependency of this package. */
function lookup(name: string, inputs: NamedTensorMap, attributes: NamedAttrMap): Tensor[] {
  const outputs: Tensor | Tensor[] = engine().runKernel(name, inputs, attributes);
  return [outputs].flat();
}

import { Random, treeFromLeaves, treeLeaves } from "@coordtok/core";
import {
  createMemoryBlock,
  crossAttention,
  hasFused,
  layerNorm,
  memoryBlock,
  mlp,
  randomInitializer,
  runFused,
  selfAttention,
  transformerBlock,
  type FusedName,
} from "@coordtok/core/nn";
import { adamw, emaUpdate, globalNorm } from "@coordtok/core/train";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { mistyped } from "@coordtok/tools/mistyped";
import * as fc from "fast-check";
import {
  dispose,
  mul,
  reshape,
  sum,
  tensor,
  tidy,
  valueAndGrads,
  type Scalar,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
} from "@tensorflow/tfjs-core";
import { beforeEach, expect, it } from "vitest";
import { loadBackend } from "../load.js";
import * as reference from "./testdata/reference.js";

type Numbers = reference.Numbers;

const allowed = 2e-6;

/** The largest difference over the largest number expected; infinite where NaN differs. */
function errorOf(got: Numbers, expected: Numbers, least = 1e-30): number {
  expect(got.length).toBe(expected.length);
  let [largest, difference] = [least, 0];
  for (let i = 0; i < expected.length; i++) {
    if (Number.isNaN(got[i]!) !== Number.isNaN(expected[i]!)) return Infinity;
    if (got[i] === expected[i] || Number.isNaN(got[i]!)) continue;
    largest = Math.max(largest, Math.abs(expected[i]!));
    difference = Math.max(difference, Math.abs(got[i]! - expected[i]!));
  }
  return difference / largest;
}

function numbersOf(x: Tensor): Float32Array {
  return x.dataSync() as Float32Array;
}

function normal(seed: number, size: number, deviation = 1): Float32Array {
  return new Random(seed).normals(size).map((value) => value * deviation);
}

/** The value of an operation and its gradients for `dy`, as numbers; the inputs must be untouched. */
function run(inputs: readonly Tensor[], dy: Tensor, call: (...inputs: Tensor[]) => Tensor): Numbers[] {
  const before = inputs.map((input) => input.dataSync().slice());
  const { value, grads } = valueAndGrads((...leaves) => sum(mul(call(...leaves), dy)) as Scalar)([...inputs]);
  const out = tidy(() => call(...inputs));
  const numbers = [out, ...grads].map(numbersOf);
  dispose([value, out, ...grads]);
  inputs.forEach((input, i) => expect(input.dataSync()).toEqual(before[i]));
  return numbers;
}

describeEachBackend("fused operations", (backend) => {
  beforeEach(async (context) => {
    const { fused } = await loadBackend(backend, { purpose: "training", fused: true });
    context.skip(!fused.active, `no fused operations on ${backend}: ${fused.text}`);
  });

  const composite = async <T>(call: () => T): Promise<T> => {
    await loadBackend(backend, { fused: false });
    expect(hasFused("CoordTokLayerNorm")).toBe(false);
    try {
      return call();
    } finally {
      await loadBackend(backend, { fused: true });
    }
  };

  const sizes = fc.record({
    clips: fc.constantFrom(1, 2),
    heads: fc.constantFrom(1, 2, 3),
    queries: fc.constantFrom(0, 1, 5, 63, 70),
    keys: fc.constantFrom(1, 7, 48, 61),
    width: fc.constantFrom(1, 20, 32, 50, 64, 77, 128),
    bias: fc.constantFrom("none", "some", "all"),
    deviation: fc.constantFrom(0, 1, 300),
    seed: fc.nat(1000),
  });

  it("attention and its gradients are those of float64, whatever the sizes and masks", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(sizes, ({ clips, heads, queries, keys, width, bias, deviation, seed }) => {
        const all = heads * width;
        const query = normal(seed, clips * queries * all, deviation);
        const keyValue = normal(seed + 1, clips * keys * 2 * all);
        const dy = normal(seed + 2, query.length);
        const removed = (i: number): boolean => (bias === "all" && i < keys) || i % 3 === 1;
        const biases =
          bias === "none"
            ? undefined
            : Array.from({ length: clips * keys }, (_, i) => (removed(i) ? -1e9 : (i % 5) / 10));
        const expected = reference.attention({ clips, heads, queries, keys, width, query, keyValue, bias: biases, dy });
        const tensors = [
          tensor(query, [clips, queries, all]),
          tensor(keyValue, [clips, keys, 2 * all]),
          tensor(dy, [clips, queries, all]),
        ] as const;
        const keyBias = biases === undefined ? undefined : (tensor(biases, [clips, keys]) as Tensor2D);
        const got = run(tensors.slice(0, 2), tensors[2], (q, kv) =>
          crossAttention(q as Tensor3D, kv as Tensor3D, heads, keyBias),
        );
        // A weight is as exact as its logit, a float32 itself.
        const most = allowed * Math.max(1, deviation / 10);
        // With a single key the gradients of the logits are 0, what is left are sums that cancel.
        const least = (keys === 1 ? 10 : 1) * Math.max(1, deviation);
        expect(errorOf(got[0]!, expected.out)).toBeLessThan(most);
        expect(errorOf(got[1]!, expected.queryGradient, least)).toBeLessThan(most);
        expect(errorOf(got[2]!, expected.keyValueGradient, least)).toBeLessThan(most);
        dispose([...tensors, ...(keyBias === undefined ? [] : [keyBias])]);
      }),
      { numRuns: 40, seed: 5 },
    );
  });

  it("self-attention is the composite one, and NaN and infinities reach the same places", async () => {
    const numbers = normal(1, 2 * 37 * 3 * 40);
    numbers[500] = NaN;
    numbers[37 * 120 + 60] = Infinity;
    const inputs = [tensor(numbers, [2, 37, 120]), tensor(normal(2, 2 * 37 * 40), [2, 37, 40])] as const;
    const call = (): Numbers[] => run([inputs[0]], inputs[1], (packed) => selfAttention(packed as Tensor3D, 2));
    const [fused, expected] = [call(), await composite(call)];
    fused.forEach((values, i) => expect(errorOf(values, expected[i]!)).toBeLessThan(allowed));
    expect(fused[0]!.some((value) => Number.isNaN(value))).toBe(true);
  });

  it("layer norm and its gradients are those of float64", { timeout: 30_000 }, () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 1, 3, 64, 130),
        fc.constantFrom(7, 16, 33, 100, 257),
        fc.constantFrom(0, 1, 1000),
        fc.nat(1000),
        (rows, size, offset, seed) => {
          const [x, scale, shift, dy] = [rows * size, size, size, rows * size].map((count, i) =>
            normal(seed + i, count),
          ) as [Float32Array, Float32Array, Float32Array, Float32Array];
          const moved = x.map((value) => value + offset);
          const expected = reference.layerNorm(moved, scale, shift, dy, 1e-5);
          const inputs = [tensor(moved, [1, rows, size]), tensor(scale), tensor(shift)] as const;
          const got = run(inputs, tensor(dy, [1, rows, size]), (...leaves) =>
            layerNorm({ scale: leaves[1] as Tensor1D, shift: leaves[2] as Tensor1D }, leaves[0]!, 1e-5),
          );
          // The mean of numbers around 1000 is itself rounded to 6e-5.
          const most = allowed * Math.max(1, offset / 10);
          [expected.out, expected.xGradient, expected.scaleGradient, expected.shiftGradient].forEach((values, i) =>
            expect(errorOf(got[i]!, values, 1)).toBeLessThan(most),
          );
          dispose([...inputs]);
        },
      ),
      { numRuns: 40, seed: 5 },
    );
  });

  it("the GELU is that of float64 from far below to far above 0, as are its gradient and the bias's", () => {
    const x = Float32Array.from({ length: 61 * 35 }, (_, i) => (i - 1000) / 60);
    const bias = normal(3, 35);
    const dy = normal(4, x.length);
    const inputs = {
      x: tensor(x, [61, 35]) as Tensor2D,
      bias: tensor(bias) as Tensor1D,
      dy: tensor(dy, [61, 35]) as Tensor2D,
    };
    const [out] = runFused("CoordTokGelu", { x: inputs.x, bias: inputs.bias }, {});
    const [dx, dBias, again] = runFused("CoordTokGeluGradient", inputs, {});
    const at = Array.from(x, (value, i) => value + bias[i % 35]!);
    const expected = at.map((value) => value * reference.normalCdf(value));
    const slope = at.map(
      (value, i) =>
        dy[i]! * (reference.normalCdf(value) + (value * Math.exp((-value * value) / 2)) / Math.sqrt(2 * Math.PI)),
    );
    const sums = Array.from(bias, (_, i) =>
      slope.reduce((total, value, k) => (k % 35 === i ? total + value : total), 0),
    );
    expect(errorOf(numbersOf(out), expected)).toBeLessThan(allowed / 4);
    expect(again.dataSync()).toEqual(out.dataSync());
    expect(errorOf(numbersOf(dx), slope)).toBeLessThan(allowed / 4);
    expect(errorOf(numbersOf(dBias), sums)).toBeLessThan(allowed);
    const special = runFused("CoordTokGelu", { x: tensor([[NaN, Infinity, 0, -0]]) as Tensor2D }, {})[0].dataSync();
    expect([...special]).toEqual([NaN, Infinity, 0, -0]);
  });

  it("a block gives the value and the gradients of its composite form, with and without masks, and leaves nothing behind", async () => {
    const init = randomInitializer(new Random(1));
    for (const [clips, queries, keys, masked] of [
      [2, 33, 19, true],
      [1, 1, 1, false],
      [1, 70, 5, false],
    ] as const) {
      const params = createMemoryBlock(init, 48);
      const leaves = treeLeaves(params);
      const x = tensor(normal(2, clips * queries * 48), [clips, queries, 48]);
      const memory = tensor(normal(3, clips * keys * 48), [clips, keys, 48]);
      const dy = tensor(normal(4, clips * queries * 48), [clips, queries, 48]);
      const keyBias = masked
        ? (tensor(
            Array.from({ length: clips * keys }, (_, i) => (i % 4 === 1 || i >= keys ? -1e9 : 0)),
            [clips, keys],
          ) as Tensor2D)
        : undefined;
      const call = (): Numbers[] =>
        run([x, memory, ...leaves], dy, (own, source, ...rest) =>
          memoryBlock(treeFromLeaves(params, rest), own as Tensor3D, source as Tensor3D, {
            heads: 3,
            epsilon: 1e-6,
            keyBias,
          }),
        );
      let fused: Numbers[] = [];
      expectNoLeak(() => {
        fused = call();
      });
      const expected = await composite(call);
      fused.forEach((values, i) => expect(errorOf(values, expected[i]!, 1)).toBeLessThan(2 * allowed));
    }
  });

  it("the masked video transformer's block and the MLP agree with their composite forms", async () => {
    const init = randomInitializer(new Random(2));
    const params = { ...createMemoryBlock(init, 32) };
    const bias = tensor(
      Array.from({ length: 2 * 21 }, (_, i) => (i % 21 > 12 ? -1e9 : 0)),
      [2, 21],
    ) as Tensor2D;
    const x = tensor(normal(5, 2 * 21 * 32), [2, 21, 32]);
    const calls = [
      (): Numbers[] =>
        run([x], x, (own) => transformerBlock(params, own as Tensor3D, { heads: 4, epsilon: 1e-5, keyBias: bias })),
      (): Numbers[] =>
        run([x, params.mlp.expand.bias!], x, (own, b) =>
          mlp({ ...params.mlp, expand: { ...params.mlp.expand, bias: b as Tensor1D } }, own),
        ),
    ];
    for (const call of calls) {
      const fused = call();
      const expected = await composite(call);
      fused.forEach((values, i) => expect(errorOf(values, expected[i]!)).toBeLessThan(allowed));
    }
  });

  it("products are those of float64, whichever factor is read transposed, for few rows and many, empty axes and NaN", () => {
    const many = fc.constantFrom(0, 1, 5, 12, 32, 33, 101);
    fc.assert(
      fc.property(many, many, many, fc.nat(3), fc.nat(1000), (rows, depth, columns, transposed, seed) => {
        const [flipA, flipB] = [(transposed & 1) === 1, transposed > 1];
        const [a, b] = [normal(seed, rows * depth), normal(seed + 1, depth * columns)];
        if (seed % 5 === 0 && a.length > 0) a[a.length - 1] = NaN;
        const expected = Array.from({ length: rows * columns }, (_, i) => {
          const [row, column] = [Math.floor(i / columns), i % columns];
          let total = 0;
          for (let k = 0; k < depth; k++)
            total +=
              a[flipA ? k * rows + row : row * depth + k]! * b[flipB ? column * depth + k : k * columns + column]!;
          return total;
        });
        const factors = {
          a: tensor(a, flipA ? [depth, rows] : [rows, depth]) as Tensor2D,
          b: tensor(b, flipB ? [columns, depth] : [depth, columns]) as Tensor2D,
        };
        const [product] = runFused("CoordTokProduct", factors, { transposeA: flipA, transposeB: flipB });
        expect(product.shape).toEqual([rows, columns]);
        expect(errorOf(numbersOf(product), expected, 1e-2)).toBeLessThan(allowed);
        dispose([factors.a, factors.b, product]);
      }),
      { numRuns: 60 },
    );
    const batch = tensor(normal(1, 2 * 3 * 4), [2, 3, 4]) as Tensor3D;
    const kernel = tensor(normal(2, 4 * 5), [4, 5]) as Tensor2D;
    const plain = { transposeA: false, transposeB: false };
    const [each] = runFused("CoordTokProduct", { a: batch, b: kernel }, plain);
    const [flat] = runFused("CoordTokProduct", { a: reshape(batch, [6, 4]) as Tensor2D, b: kernel }, plain);
    expect([each.shape, [...numbersOf(each)]]).toEqual([[2, 3, 5], [...numbersOf(flat)]]);
    dispose([batch, kernel, each, flat]);
  });

  it("AdamW, moving averages and norms over lists are their composite forms, zero gradients included, and write to no input", async () => {
    const shapes = [[3, 7], [1], [0, 4], [257, 129], [40_000]];
    const tree = (seed: number, scale = 1): Record<string, Tensor> =>
      Object.fromEntries(
        shapes.map((shape, i) => [
          `p${i}`,
          tensor(
            normal(
              seed + i,
              shape.reduce((a, b) => a * b, 1),
              scale,
            ),
            shape,
          ),
        ]),
      );
    const [params, gradients, average] = [tree(1), tree(20), tree(40)];
    gradients["p0"] = mul(gradients["p0"]!, 0);
    const before = Object.values({ ...params, ...gradients }).map((leaf) => leaf.dataSync().slice());
    const steps = (): Numbers[] => {
      const optimizer = adamw(0.01, { weightDecay: 0.1 });
      let at = { params, state: optimizer.init(params) };
      [1, 0.25, 3].forEach((gradientScale, step) => {
        at = optimizer.update({ step, params: at.params, gradients, gradientScale }, at.state);
      });
      const averaged = emaUpdate(average, at.params, 0.9);
      const results = treeLeaves([at.params, at.state, averaged]);
      return [...results, globalNorm(gradients)].map(numbersOf);
    };
    const [fused, expected] = [steps(), await composite(steps)];
    fused.forEach((values, i) => expect(errorOf(values, expected[i]!)).toBeLessThan(allowed));
    expect(Object.values({ ...params, ...gradients }).map((leaf) => leaf.dataSync())).toEqual(before);
  });

  it("inputs that do not fit are refused with a sentence, not read beyond their end", () => {
    const packed = tensor(normal(1, 2 * 5 * 12), [2, 5, 12]) as Tensor3D;
    const wrong: [FusedName, Record<string, Tensor>, Record<string, unknown>, RegExp][] = [
      ["CoordTokSelfAttention", { packed }, { heads: 3, statistics: false }, /heads do not divide/],
      ["CoordTokSelfAttention", { packed, bias: tensor([[1, 2]]) }, { heads: 2, statistics: false }, /bias is not/],
      ["CoordTokGelu", { x: tensor([[1, 2, 3]]), bias: tensor([1, 2]) }, {}, /differs from x/],
      [
        "CoordTokProduct",
        { a: packed, b: tensor([[1, 2]]) },
        { transposeA: false, transposeB: false },
        /factors of a product/,
      ],
      [
        "CoordTokProduct",
        { a: packed, b: tensor([[1, 2]]) },
        { transposeA: true, transposeB: false },
        /takes matrices/,
      ],
      [
        "CoordTokLayerNorm",
        { x: tensor([[1, 2, 3]]), scale: tensor([1, 2]), shift: tensor([1, 2]) },
        { epsilon: 1 },
        /sizes of a layer norm/,
      ],
    ];
    for (const [name, inputs, attributes, message] of wrong)
      expect(() => runFused(name, mistyped(inputs), mistyped(attributes))).toThrow(message);
  });
});

// Gradients of tfjs operations are registered by the training entry.
import "../train/index.js";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import {
  dispose,
  grads,
  mul,
  sum,
  tensor,
  tensor2d,
  tensor3d,
  type Rank,
  type Scalar,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
} from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { disposeTree, Random, treeLeaves } from "../index.js";
import {
  createMemoryBlock,
  createMlp,
  createTransformerBlock,
  crossAttention,
  gatherRows,
  gelu,
  maskedKey,
  memoryBlock,
  mlp,
  patchify,
  randomInitializer,
  selfAttention,
  transformerBlock,
  unpatchify,
} from "./index.js";

const random = new Random(11);

async function values(tensor: Tensor): Promise<number[]> {
  return [...(await tensor.data())];
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);
}

/** The derivative of `f` at every element of `x` by central differences in the loss. */
async function numericGradient(x: Tensor, loss: (x: Tensor) => Scalar, elements: number[]): Promise<number[]> {
  const base = await values(x);
  const step = 1e-2;
  const at = async (i: number, change: number): Promise<number> => {
    const moved = tensor(
      base.map((value, j) => (j === i ? value + change : value)),
      x.shape,
    );
    const result = loss(moved);
    const [value] = await values(result);
    dispose([moved, result]);
    return value!;
  };
  const gradient: number[] = [];
  for (const i of elements) gradient.push(((await at(i, step)) - (await at(i, -step))) / (2 * step));
  return gradient;
}

describeEachBackend("layers", () => {
  it("the gradient of a transformer block and of a memory block is that of finite differences", async () => {
    const init = randomInitializer(new Random(2));
    const block = createTransformerBlock(init, 8, { bias: true });
    const reader = createMemoryBlock(init, 8);
    const x = random.normalTensor<Rank.R3>([2, 5, 8]);
    const memory = random.normalTensor<Rank.R3>([2, 3, 8]);
    const weight = random.normalTensor<Rank.R3>([2, 5, 8]);
    const loss = (input: Tensor): Scalar => {
      const read = memoryBlock(reader, input as Tensor3D, memory, { heads: 2, epsilon: 1e-5 });
      return sum(mul(transformerBlock(block, read, { heads: 2, epsilon: 1e-5 }), weight));
    };
    const [gradient] = grads((input) => loss(input))([x]);
    const elements = [0, 7, 33, 79];
    const all = await values(gradient!);
    const numeric = await numericGradient(x, loss, elements);
    for (const [k, i] of elements.entries())
      expect(Math.abs(all[i]! - numeric[k]!)).toBeLessThan(0.02 * (1 + Math.abs(numeric[k]!)));
    disposeTree([block, reader]);
    dispose([x, memory, weight, gradient!]);
  });

  it.each(["exact", "tanh"] as const)("the %s GELU of an MLP has the gradient of finite differences", async (form) => {
    const params = createMlp(randomInitializer(new Random(4)), 6);
    const x = random.normalTensor<Rank.R2>([3, 6], 2);
    const weight = random.normalTensor<Rank.R2>([3, 6]);
    const loss = (input: Tensor): Scalar => sum(mul(mlp(params, input, form), weight));
    const [gradient] = grads((input) => loss(input))([x]);
    const elements = [0, 5, 10, 17];
    const all = await values(gradient!);
    const numeric = await numericGradient(x, loss, elements);
    for (const [k, i] of elements.entries())
      expect(Math.abs(all[i]! - numeric[k]!)).toBeLessThan(0.02 * (1 + Math.abs(numeric[k]!)));
    disposeTree([params, x, weight, gradient!]);
  });

  it("the two forms of the GELU match the formulas of their papers", async () => {
    const numbers = [-3, -1, -0.2, 0, 0.5, 1, 4];
    const tanhForm = numbers.map((v) => (v / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))));
    const exactForm = [-0.0040496949, -0.1586552539, -0.0841480581, 0, 0.3457312307, 0.8413447461, 3.9998733152];
    for (const [form, expected] of [
      ["tanh", tanhForm],
      ["exact", exactForm],
    ] as const) {
      const x = tensor(numbers);
      const result = gelu(x, form);
      expect(largestDifference(await values(result), expected)).toBeLessThan(1e-6);
      dispose([x, result]);
    }
  });

  it("a masked key takes no part, neither in the values nor in the gradient", async () => {
    const query = random.normalTensor<Rank.R3>([1, 4, 6]);
    const keyValue = random.normalTensor<Rank.R3>([1, 3, 12]);
    const bias = tensor2d([[0, 0, maskedKey]]);
    const numbers = await values(keyValue);
    const changed = tensor3d(
      numbers.map((value, i) => (i >= 24 ? value + 5 : value)),
      [1, 3, 12],
    );
    const [a, b] = [crossAttention(query, keyValue, 2, bias), crossAttention(query, changed, 2, bias)];
    expect(await values(a)).toEqual(await values(b));
    const [, gradient] = grads((q, kv) => sum(crossAttention(q as Tensor3D, kv as Tensor3D, 2, bias)))([
      query,
      keyValue,
    ]);
    expect((await values(gradient!)).slice(24).every((value) => value === 0)).toBe(true);
    dispose([query, keyValue, changed, bias, a, b, gradient!]);
  });

  it("attention refuses a width that the heads do not divide", () => {
    const packed = random.normalTensor<Rank.R3>([1, 2, 12]);
    expect(() => selfAttention(packed, 3)).toThrow(/multiple of the 3 heads, got 4/);
    packed.dispose();
  });

  it("rows that occur twice add up in the gradient of a table", async () => {
    const table = random.normalTensor<Rank.R2>([4, 2]);
    const [gradient] = grads((rows) => sum(gatherRows(rows as Tensor2D, Int32Array.of(1, 3, 1))))([table]);
    expect(await values(gradient!)).toEqual([0, 0, 2, 2, 0, 0, 1, 1]);
    dispose([table, gradient!]);
  });

  it("patches put together again are the frames", async () => {
    const frames = random.normalTensor<Rank.R5>([2, 4, 6, 9, 3]);
    const patches = patchify(frames, { time: 2, space: 3 });
    expect(patches.shape).toEqual([2, 12, 54]);
    const back = unpatchify(patches, { time: 2, space: 3 }, { frames: 4, height: 6, width: 9 });
    expect(largestDifference(await values(back), await values(frames))).toBe(0);
    dispose([frames, patches, back]);
  });

  it("a block leaves nothing behind but its result", () => {
    expectNoLeak(() => {
      const block = createTransformerBlock(randomInitializer(new Random(1)), 8, { bias: false });
      const x = random.normalTensor<Rank.R3>([1, 3, 8]);
      const out = transformerBlock(block, x, { heads: 2, epsilon: 1e-5 });
      disposeTree([block, out, x]);
    });
    expect(treeLeaves({ a: undefined, b: [] })).toEqual([]);
  });
});

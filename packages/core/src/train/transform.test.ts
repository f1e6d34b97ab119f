import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { add, mul, tensor1d, tidy, type Tensor, type Tensor1D } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { shapeInitializer } from "../nn/init.js";
import { disposeTree, treeEntries, treeFromLeaves, treeLeaves, treeMap, type TensorTree } from "../tree.js";
import { adamw } from "./adamw.js";
import { clipByGlobalNorm, clipFactor } from "./gradient-norm.js";
import { chain, partition, type OptimizerStep, type Transform } from "./transform.js";

type Params = { readonly encoder: readonly Tensor1D[]; readonly decoder: { readonly kernel: Tensor1D } };

type Numbers = Readonly<Record<string, readonly number[]>>;

const tree = (factor: number): Params => ({
  encoder: [tensor1d([factor, 2 * factor]), tensor1d([3 * factor])],
  decoder: { kernel: tensor1d([-4 * factor, 5 * factor, 0.25 * factor]) },
});

/** Plain gradient descent whose state counts the steps. */
function descent(rate: number): Transform<{ readonly taken: Tensor }> {
  return {
    init: () => ({ taken: tensor1d([0]) }),
    update: <P extends TensorTree>(
      { params, gradients, gradientScale = 1 }: OptimizerStep<P>,
      { taken }: { readonly taken: Tensor },
    ) => {
      const leaves = treeLeaves(gradients);
      const moved = treeLeaves(params).map((leaf, i) => tidy(() => add(leaf, mul(leaves[i]!, -rate * gradientScale))));
      return { params: treeFromLeaves(params, moved), state: { taken: add(taken, 1) } };
    },
  };
}

/** Multiplies the gradients themselves. */
function scaled(factor: number): Transform<undefined> {
  return {
    init: () => undefined,
    update: ({ gradients }) => ({ gradients: treeMap(gradients, (leaf) => mul(leaf, factor)), state: undefined }),
  };
}

async function numbersOf(of: TensorTree): Promise<Numbers> {
  const entries = treeEntries(of).map(async ([path, leaf]) => [path, [...(await leaf.data())]] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** Three steps with the same gradients; the numbers of the parameters and of the state after them. */
async function threeSteps(optimizer: Transform): Promise<[params: Numbers, state: TensorTree]> {
  const gradients = tree(0.5);
  let params = tree(1);
  let state = optimizer.init(params);
  for (let step = 0; step < 3; step++) {
    const change = optimizer.update({ step, params, gradients, gradientNorm: 4 }, state);
    disposeTree([state, change.gradients, change.params === undefined ? undefined : params]);
    ({ state, params = params } = change);
  }
  const numbers = await numbersOf(params);
  disposeTree([params, gradients]);
  return [numbers, state];
}

describeEachBackend("a chain of transforms", () => {
  it("lets each transform see what those before it have changed", async () => {
    const chained = chain({ half: scaled(0.5), clip: clipByGlobalNorm(1), third: scaled(1 / 3), descent: descent(6) });
    const [params, state] = await threeSteps(chained);
    // Three steps of gradient * 0.5 / 3 at a rate of 6, clipped from a norm of 4 to 1.
    params["decoder.kernel"]!.forEach((value, i) => expect(value).toBeCloseTo([-4, 5, 0.25][i]! * (1 - 0.375), 4));
    expect(await numbersOf(state)).toEqual({ "descent.taken": [3] });
    disposeTree(state);
  });

  it("of clipping and AdamW gives the bits of AdamW on gradients that are scaled one by one", async () => {
    const rate = (step: number): number => 0.1 / (step + 1);
    const optimizer = adamw(rate, { epsilon: 1, weightDecay: 0.1 });
    const [expected, state] = await threeSteps(chain({ scaled: scaled(clipFactor(4, 0.7)), adamw: optimizer }));
    const [clipped, same] = await threeSteps(chain({ clip: clipByGlobalNorm(0.7), adamw: optimizer }));
    expect(clipped).toEqual(expected);
    expect(await numbersOf(same)).toEqual(await numbersOf(state));
    const [whole, other] = await threeSteps(chain({ clip: clipByGlobalNorm(5), adamw: optimizer }));
    expect(whole).not.toEqual(expected);
    disposeTree([state, same, other]);
  });

  it("leaves no tensor behind, and its arguments alive", async () => {
    await expectNoLeak(async () => {
      const [, state] = await threeSteps(
        chain({ half: scaled(0.5), twice: scaled(2), adamw: adamw(0.1), more: descent(1) }),
      );
      disposeTree(state);
    });
  });
});

describeEachBackend("a partition of the parameters", () => {
  const nameOf = (path: string): string => (path.startsWith("encoder") ? "descent" : "adamw");

  it("gives every part the bits of its own transform", async () => {
    const [descended, first] = await threeSteps(descent(0.1));
    const [adapted, second] = await threeSteps(adamw(0.1));
    const both = partition(nameOf, { descent: descent(0.1), adamw: adamw(0.1), nothing: adamw(1) });
    const [params, state] = await threeSteps(both);
    for (const [path, values] of Object.entries(params))
      expect(values).toEqual((nameOf(path) === "descent" ? descended : adapted)[path]);
    expect(Object.keys(params)).toHaveLength(3);
    expect(Object.keys(await numbersOf(state))).toEqual([
      "descent.taken",
      "adamw.firstMoment.decoder.kernel",
      "adamw.secondMoment.decoder.kernel",
    ]);
    disposeTree([first, second, state]);
  });

  it("stands in a chain, and leaves parameters alone that no transform changes", async () => {
    const frozen = partition(nameOf, { descent: scaled(3), adamw: adamw(0.1) });
    await expectNoLeak(async () => {
      const [params, state] = await threeSteps(chain({ clip: clipByGlobalNorm(1), parts: frozen }));
      expect(params["encoder.0"]).toEqual([1, 2]);
      expect(params["decoder.kernel"]).not.toEqual([-4, 5, 0.25]);
      disposeTree(state);
    });
  });
});

describe("a partition with an unknown name", () => {
  it("names the parameter and the transforms", () => {
    const one = partition(() => "muon", { adamw: adamw(0.1) });
    const stand = shapeInitializer.zeros(1);
    expect(() => one.init({ encoder: [stand] })).toThrow(
      'Expected the parameter "encoder.0" to belong to one of adamw, got "muon".',
    );
  });
});

describe("the state of an optimizer", () => {
  it("has its structure without using memory if placeholders are made", () => {
    const stand = shapeInitializer.zeros(1);
    const made = chain({ clip: clipByGlobalNorm(1), adamw: adamw(0.1) }).init({ encoder: [stand] }, (leaf) => leaf);
    expect(treeEntries(made)).toEqual([
      ["adamw.firstMoment.encoder.0", stand],
      ["adamw.secondMoment.encoder.0", stand],
    ]);
  });
});

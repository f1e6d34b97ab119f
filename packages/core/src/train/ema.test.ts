import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { dispose, tensor1d, type Tensor1D } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { disposeTree } from "../tree.js";
import { emaDecayAt, emaUpdate } from "./ema.js";

describe("the decay of the moving average", () => {
  it("is (1 + step) / (10 + step) until that reaches the given decay", () => {
    expect([0, 8, 90].map((step) => emaDecayAt(step, 0.999))).toEqual([1 / 10, 9 / 18, 91 / 100]);
    expect(emaDecayAt(8990, 0.999)).toBe(8991 / 9000);
    expect(emaDecayAt(8991, 0.999)).toBe(0.999);
  });

  it("never exceeds a small decay, and 0 keeps nothing", () => {
    expect([0, 1, 100].map((step) => emaDecayAt(step, 0.15))).toEqual([0.1, 0.15, 0.15]);
    expect(emaDecayAt(50, 0)).toBe(0);
  });
});

describeEachBackend("a moving average", () => {
  it("blends every leaf, and leaves nothing but the new tree behind", async () => {
    const [average, params] = [
      [1, -2],
      [3, 6],
    ].map((values) => ({ a: [tensor1d(values)], b: undefined })) as [
      { a: Tensor1D[]; b: undefined },
      { a: Tensor1D[]; b: undefined },
    ];
    await expectNoLeak(async () => {
      const blended = emaUpdate(average, params, 0.75);
      const values = await blended.a[0]!.data();
      [1.5, 0].forEach((value, i) => expect(values[i]).toBeCloseTo(value, 6));
      disposeTree(blended);
    });
    dispose([...average.a, ...params.a]);
  });
});

import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { fill, tensor2d, tidy, type Tensor2D } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { guidedField, type GuidanceOptions } from "./guidance.js";
import type { Field } from "../flow/prediction.js";

type Pair = {
  readonly a: Tensor2D;
  readonly b: Tensor2D;
};

/** Fields of constant values over a tree of two leaves, `[1, 3]` and `[1, 2]`. */
function constant(value: number, onCall?: () => void): Field<Pair> {
  return () => {
    onCall?.();
    return { a: fill([1, 3], value), b: fill([1, 2], value) };
  };
}

async function guided(options: GuidanceOptions, t: number): Promise<{ a: number[]; b: number[]; calls: number }> {
  let calls = 0;
  const field = guidedField(
    constant(5),
    constant(2, () => calls++),
    options,
  );
  const x = { a: tensor2d([[0, 0, 0]]), b: tensor2d([[0, 0]]) };
  const out = tidy(() => field(x, t) as unknown as { [name: string]: Tensor2D }) as unknown as Pair;
  const [a, b] = await Promise.all([out.a.data(), out.b.data()]);
  for (const one of [x.a, x.b, out.a, out.b]) one.dispose();
  return { a: [...a], b: [...b], calls };
}

describeEachBackend("guidance", () => {
  it("moves away from the output without a class, in all channels or in the first ones of every leaf", async () => {
    await expectNoLeak(async () => {
      // 2 + 3 (5 - 2)
      expect(await guided({ scale: 3 }, 0.5)).toEqual({ a: [11, 11, 11], b: [11, 11], calls: 1 });
      expect(await guided({ scale: 3, channels: 1 }, 0.5)).toEqual({ a: [11, 5, 5], b: [11, 5], calls: 1 });
      expect(await guided({ scale: 3, channels: 2 }, 0.5)).toEqual({ a: [11, 11, 5], b: [11, 11], calls: 1 });
      expect(await guided({ scale: 0 }, 0.5)).toEqual({ a: [2, 2, 2], b: [2, 2], calls: 1 });
    });
  });

  it("has no effect and no cost outside its interval or with a scale of 1", async () => {
    const interval = [0.2, 0.8] as const;
    const plain = { a: [5, 5, 5], b: [5, 5], calls: 0 };
    expect(await guided({ scale: 3, interval }, 0.1)).toEqual(plain);
    expect(await guided({ scale: 3, interval }, 0.9)).toEqual(plain);
    expect(await guided({ scale: 1 }, 0.5)).toEqual(plain);
    for (const t of [0.2, 0.5, 0.8]) expect((await guided({ scale: 3, interval }, t)).a).toEqual([11, 11, 11]);
  });

  it("refuses a reversed interval, scales below 0 and 0 channels", () => {
    const make = (options: GuidanceOptions) => (): unknown => guidedField(constant(5), constant(2), options);
    expect(make({ scale: 2, interval: [0.8, 0.2] })).toThrow(/in ascending order/);
    expect(make({ scale: -1 })).toThrow(/guidance scale/);
    expect(make({ scale: 2, channels: 0 })).toThrow(/guidance channels/);
  });
});

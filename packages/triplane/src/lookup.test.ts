import { disposeTree, Random } from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import type { Tensor } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import {
  collectStats,
  denormalize,
  lookup,
  normalize,
  tokensFromTriplane,
  triplaneFromTokens,
  triplaneShape,
  type Triplane,
} from "./index.js";

function planes(batch: number, seed: number): Triplane {
  const random = new Random(seed);
  return {
    xy: random.normalTensor([batch, 4, 6, 3]),
    yt: random.normalTensor([batch, 5, 6, 3]),
    xt: random.normalTensor([batch, 5, 4, 3]),
  };
}

async function values(tensor: Tensor): Promise<number[]> {
  return [...(await tensor.data())];
}

describeEachBackend("triplane", () => {
  it("at a cell the look-up is the cell itself, in the order xy, yt, xt", async () => {
    const triplane = planes(1, 1);
    const points = { batch: 1, count: 1, coordinates: Float32Array.of(1, 0, 1) };
    const features = lookup(triplane, points);
    const at = async (plane: Tensor, index: number): Promise<number[]> =>
      (await values(plane)).slice(3 * index, 3 * index + 3);
    const expected = [await at(triplane.xy, 5), await at(triplane.yt, 4 * 6 + 5), await at(triplane.xt, 4 * 4)].flat();
    expect(await values(features)).toEqual(expected);
    disposeTree([triplane, features]);
  });

  it("points that all clips share give what points per clip give", async () => {
    const triplane = planes(2, 2);
    const own = Float32Array.of(0.1, 0.7, 0.3, 0.9, 0.2, 0.5);
    const shared = lookup(triplane, { batch: 1, count: 2, coordinates: own });
    const each = lookup(triplane, { batch: 2, count: 2, coordinates: Float32Array.of(...own, ...own) });
    expect(await values(shared)).toEqual(await values(each));
    disposeTree([triplane, shared, each]);
  });

  it("leaves no tensor behind", () => {
    expectNoLeak(() => {
      const triplane = planes(2, 3);
      disposeTree([lookup(triplane, { batch: 1, count: 1, coordinates: Float32Array.of(0.5, 0.5, 0.5) }), triplane]);
    });
  });

  it("refuses coordinates outside the clip in one sentence", () => {
    const triplane = planes(1, 4);
    expect(() => lookup(triplane, { batch: 1, count: 1, coordinates: Float32Array.of(0, 1.5, 0) })).toThrow(
      /0 to 1, got 1.5/,
    );
    disposeTree(triplane);
  });

  it("survives the conversion to tokens and back", async () => {
    const triplane = planes(2, 5);
    const tokens = tokensFromTriplane(triplane);
    expect(tokens.shape).toEqual([2, 24 + 30 + 20, 3]);
    const back = triplaneFromTokens(tokens, triplaneShape(triplane));
    expect(await values(back.xt)).toEqual(await values(triplane.xt));
    disposeTree([triplane, tokens, back]);
  });

  it("normalised by its own statistics it has mean 0 and deviation 1, and is restored", async () => {
    const triplane = planes(3, 6);
    async function* one(): AsyncGenerator<Triplane> {
      yield await Promise.resolve(triplane);
    }
    const stats = await collectStats(one());
    const normal = normalize(triplane, stats);
    const numbers = await values(normal.yt);
    const channel = numbers.filter((_, i) => i % 3 === 1);
    const mean = channel.reduce((a, b) => a + b, 0) / channel.length;
    const deviation = Math.sqrt(channel.reduce((a, b) => a + (b - mean) ** 2, 0) / channel.length);
    expect(mean).toBeCloseTo(0, 5);
    expect(deviation).toBeCloseTo(1, 5);
    const back = denormalize(normal, stats);
    const original = await values(triplane.xy);
    for (const [i, value] of (await values(back.xy)).entries()) expect(value).toBeCloseTo(original[i]!, 5);
    disposeTree([triplane, normal, back]);
  });
});

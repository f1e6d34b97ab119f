import { disposeTree, Random } from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { zeros, type Tensor3D, type Tensor4D } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import {
  disposeTriplane,
  floatCount,
  planeAxes,
  planeShape,
  sliceTriplane,
  stackTriplanes,
  tokenCount,
  tokensFromTriplane,
  triplaneFromTokens,
  triplaneShape,
  type Triplane,
} from "./index.js";

const shape = { time: 5, rows: 4, columns: 6, channels: 3 };

function planes(batch: number, seed: number): Triplane {
  const random = new Random(seed);
  return {
    xy: random.normalTensor(planeShape(shape, "xy", batch)),
    yt: random.normalTensor(planeShape(shape, "yt", batch)),
    xt: random.normalTensor(planeShape(shape, "xt", batch)),
  };
}

describeEachBackend("triplane", () => {
  it("single clips and batches convert into each other", async () => {
    const triplane = planes(3, 1);
    const parts = [0, 1, 2].map((index) => sliceTriplane(triplane, index));
    const whole = stackTriplanes(parts);
    for (const plane of ["xy", "yt", "xt"] as const) {
      expect(parts[1]![plane].shape).toEqual(planeShape(shape, plane, 1));
      expect(await whole[plane].data()).toEqual(await triplane[plane].data());
    }
    disposeTree([triplane, ...parts, whole]);
  });

  it("disposing frees all three planes", () => {
    expectNoLeak(() => disposeTriplane(planes(1, 2)));
  });

  it("tokens are in the order xy, yt, xt, row by row", async () => {
    const triplane = planes(2, 3);
    const tokens = tokensFromTriplane(triplane);
    const second = [...(await tokens.data())].slice(tokens.size / 2);
    const expected = [];
    for (const plane of ["xy", "yt", "xt"] as const) {
      const values = await triplane[plane].data();
      expected.push(...values.slice(values.length / 2));
    }
    expect(second).toEqual(expected);
    disposeTree([triplane, tokens]);
  });

  it("tokens and triplanes leave nothing behind, and tokens of another length are refused", () => {
    expectNoLeak(() => {
      const triplane = planes(1, 4);
      const tokens = tokensFromTriplane(triplane);
      disposeTree([triplane, tokens, triplaneFromTokens(tokens, shape)]);
      const wrong: Tensor3D = zeros([1, 73, 3]);
      expect(() => triplaneFromTokens(wrong, shape)).toThrow("of shape [?, 74, 3], got [1, 73, 3]");
      wrong.dispose();
    });
  });

  it("planes that do not fit each other, and indices outside the batch, give a one-sentence error", () => {
    const [one, two] = [planes(1, 5), planes(2, 6)];
    expect(() => triplaneShape({ ...one, yt: two.yt })).toThrow("Expected plane yt to fit the other planes");
    expect(() => triplaneShape({ ...one, xy: zeros([2, 2]) as unknown as Tensor4D })).toThrow("4 axes");
    expect(() => sliceTriplane(two, 2)).toThrow("Expected a clip index of 0 to 1, got 2.");
    expect(() => stackTriplanes([])).toThrow("at least one triplane");
    const other = { ...one, xy: two.xy, yt: two.yt, xt: two.xt };
    disposeTree(stackTriplanes([one, other]));
    const larger: Triplane = { xy: zeros([1, 4, 6, 3]), yt: zeros([1, 9, 6, 3]), xt: zeros([1, 9, 4, 3]) };
    expect(() => stackTriplanes([one, larger])).toThrow("plane yt of triplane 1 like the first");
    disposeTree([one, two, larger]);
  });
});

describe("sizes", () => {
  it("the published geometry has 1280 tokens, 10240 numbers with 8 channels", () => {
    const published = { time: 32, rows: 16, columns: 16, channels: 8 };
    expect(tokenCount(published)).toBe(1280);
    expect(floatCount(published)).toBe(10240);
  });

  it("x is the row axis: plane xy is [row, column], yt is [time, column], xt is [time, row]", () => {
    expect(planeAxes).toEqual({ xy: ["rows", "columns"], yt: ["time", "columns"], xt: ["time", "rows"] });
    expect(planeShape(shape, "yt", 2)).toEqual([2, 5, 6, 3]);
    expect(planeShape(shape, "xt", 2)).toEqual([2, 5, 4, 3]);
  });
});

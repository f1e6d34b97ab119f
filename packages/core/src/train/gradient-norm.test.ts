import { CoordTokError } from "../errors.js";
import { describeEachBackend } from "@coordtok/tools";
import { tensor1d, tensor2d } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { disposeTree } from "../tree.js";
import { clipByGlobalNorm, clipFactor, globalNorm } from "./gradient-norm.js";

describe("clipping by the norm", () => {
  it("leaves a norm of at most the maximum alone", () => {
    expect([0, 0.5, 0.999].map((norm) => clipFactor(norm, 1))).toEqual([1, 1, 1]);
    expect(clipFactor(1e30, Infinity)).toBe(1);
  });

  it("scales a larger norm down to the maximum", () => {
    for (const norm of [1.5, 10, 1e6]) expect(norm * clipFactor(norm, 1)).toBeCloseTo(1, 5);
    expect(clipFactor(8, 2)).toBeCloseTo(0.25, 6);
    expect(clipFactor(3, 0)).toBe(0);
  });

  it("as a transform multiplies the given scale, and requires the norm", () => {
    const clip = clipByGlobalNorm(2);
    const step = { step: 0, params: [], gradients: [] };
    expect(clip.update({ ...step, gradientNorm: 8, gradientScale: 0.5 }, undefined)).toEqual({
      gradientScale: 0.5 * clipFactor(8, 2),
      state: undefined,
    });
    expect(() => clip.update(step, undefined)).toThrow(CoordTokError);
  });
});

describeEachBackend("the norm of a tree", () => {
  it("is that of all its numbers", async () => {
    const tree = {
      a: tensor2d([
        [1, 2],
        [4, 0],
      ]),
      b: [tensor1d([-2]), undefined],
    };
    const norm = globalNorm(tree);
    expect((await norm.data())[0]).toBeCloseTo(5, 6);
    disposeTree([tree, norm]);
  });
});

import { describe, expect, it } from "vitest";
import { pearson, spearman } from "./correlation.js";

describe("correlation", () => {
  it("of a line is 1 or -1", () => {
    expect(pearson([1, 2, 4], [5, 7, 11])).toBe(1);
    expect(pearson([1, 2, 4], [5, 3, -1])).toBe(-1);
  });

  it("of a known series matches the value computed by hand", () => {
    // Deviations (-2,-1,0,1,2) and (-1,-2,1,0,2): 8 over the root of 10 times 10.
    expect(pearson([1, 2, 3, 4, 5], [2, 1, 4, 3, 5])).toBeCloseTo(0.8, 12);
  });

  it("by ranks is 1 for any increasing relation, and equal values share their rank", () => {
    const x = [1, 2, 3, 4, 5];
    expect(spearman(x, x.map(Math.exp))).toBeCloseTo(1, 12);
    expect(pearson(x, x.map(Math.exp))).toBeLessThan(0.95);
    expect(spearman([1, 2, 2, 3], [10, 20, 20, 30])).toBe(1);
    expect(spearman([1, 1, 2, 2], [1, 2, 1, 2])).toBe(0);
  });

  it("of a constant series is NaN", () => expect(pearson([1, 1], [2, 3])).toBeNaN());

  it("refuses series of different lengths and infinite values", () => {
    expect(() => pearson([1, 2], [1])).toThrow("got 2 and 1");
    expect(() => spearman([1, Infinity], [1, 2])).toThrow("infinite PSNR");
  });
});

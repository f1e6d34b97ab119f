import { expect, it } from "vitest";
import { summarize } from "./summary.js";

it("describes a set of values", () => {
  expect(summarize([4, 1, 2, 3, 5])).toEqual({
    count: 5,
    mean: 3,
    deviation: Math.sqrt(2.5),
    standardError: Math.sqrt(0.5),
    minimum: 1,
    lowTenth: 1.4,
    median: 3,
    highTenth: 4.6,
    maximum: 5,
  });
});

it("accepts a single value, and infinite ones such as the PSNR of equal clips", () => {
  expect(summarize([7])).toMatchObject({ count: 1, mean: 7, deviation: 0, median: 7 });
  expect(summarize([30, Infinity, 20])).toMatchObject({
    mean: Infinity,
    median: 30,
    maximum: Infinity,
    deviation: NaN,
  });
});

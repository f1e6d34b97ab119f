import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bfloatFromFloat, floatFromBfloat, floatFromHalf, halfFromFloat } from "./half.js";

const allPatterns = Uint16Array.from({ length: 65536 }, (_, pattern) => pattern);
const half = (value: number): number => halfFromFloat(Float32Array.of(value))[0]!;
const bfloat = (value: number): number => bfloatFromFloat(Float32Array.of(value))[0]!;

describe.each([
  { format: "F16", narrow: halfFromFloat, widen: floatFromHalf, infinity: 0x7c00 },
  { format: "BF16", narrow: bfloatFromFloat, widen: floatFromBfloat, infinity: 0x7f80 },
])("$format", ({ narrow, widen, infinity }) => {
  const values = widen(allPatterns);

  it("every pattern that is a number comes back from float32, every NaN stays a NaN", () => {
    const back = narrow(values);
    for (const pattern of allPatterns) {
      if (Number.isNaN(values[pattern])) expect(Number.isNaN(widen(back.subarray(pattern, pattern + 1))[0])).toBe(true);
      else if (back[pattern] !== pattern) expect.fail(`${pattern} came back as ${back[pattern]}`);
    }
  });

  it("values increase with the pattern", () => {
    for (let pattern = 1; pattern <= infinity; pattern++)
      if (!(values[pattern]! > values[pattern - 1]!)) expect.fail(`${pattern}`);
  });

  it("any float rounds to the nearest value, and from the middle to the even pattern", () => {
    const check = (value: number): void => {
      const single = Math.fround(value);
      const pattern = narrow(Float32Array.of(single))[0]!;
      const magnitude = pattern & 0x7fff;
      expect(pattern >>> 15).toBe(Object.is(single, -0) || single < 0 ? 1 : 0);
      if (magnitude > infinity) {
        expect(single).toBeNaN();
        return;
      }
      const distance = (other: number): number => Math.abs(values[other]! - Math.abs(single));
      // Beyond the largest number the next step is what counts, not infinity.
      const largest = values[infinity - 1]!;
      const beyond = largest + (largest - values[infinity - 2]!);
      const own = magnitude === infinity ? Math.abs(Math.min(Math.abs(single), beyond) - beyond) : distance(magnitude);
      const others = [magnitude - 1, magnitude + 1].filter((other) => other >= 0 && other < infinity);
      for (const other of others) {
        expect(own).toBeLessThanOrEqual(distance(other));
        if (own === distance(other)) expect(magnitude % 2).toBe(0);
      }
    };
    fc.assert(fc.property(fc.float(), check), { numRuns: 5000 });
    fc.assert(fc.property(fc.double({ min: -1e-4, max: 1e-4 }), check), { numRuns: 2000 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: infinity - 2 }), (pattern) =>
        check((values[pattern]! + values[pattern + 1]!) / 2),
      ),
      { numRuns: 5000 },
    );
  });
});

describe("known F16 values", () => {
  it.each([
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519.996, 0x7bff],
    [65520, 0x7c00],
    [-Infinity, 0xfc00],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [2 ** -25 * 1.0001, 0x0001],
    [3 * 2 ** -25, 0x0002],
    [1023.5 * 2 ** -24, 0x0400],
    [1 / 3, 0x3555],
    [-0, 0x8000],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
  ])("%d is %i", (value, pattern) => {
    expect(half(value)).toBe(pattern);
  });

  it("NaN is a quiet NaN", () => {
    expect(half(NaN) & 0x7e00).toBe(0x7e00);
  });
});

describe("known BF16 values", () => {
  it.each([
    [1, 0x3f80],
    [-2, 0xc000],
    [3.3895313892515355e38, 0x7f7f],
    [3.4e38, 0x7f80],
    [Infinity, 0x7f80],
    [2 ** -133, 0x0001],
    [2 ** -134, 0x0000],
    [3 * 2 ** -134, 0x0002],
    [-0, 0x8000],
    [1 + 2 ** -8, 0x3f80],
    [1 + 3 * 2 ** -8, 0x3f82],
  ])("%d is %i", (value, pattern) => {
    expect(bfloat(value)).toBe(pattern);
  });
});

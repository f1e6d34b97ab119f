import { describe, expect, it } from "vitest";
import { bdRate, risingCurve, sizeAt } from "./curves.js";

const curve = [
  { size: 100, psnrDb: 20 },
  { size: 200, psnrDb: 24 },
  { size: 400, psnrDb: 30 },
  { size: 900, psnrDb: 33 },
];
const times = (factor: number): typeof curve => curve.map(({ size, psnrDb }) => ({ size: size * factor, psnrDb }));

describe("curves of rate and distortion", () => {
  it("leave out points that take more bytes for no more quality", () => {
    const points = [
      { size: 300, psnrDb: 23 },
      curve[2]!,
      curve[0]!,
      curve[1]!,
      { size: 0, psnrDb: 1 },
      { size: 999, psnrDb: NaN },
    ];
    expect(risingCurve(points)).toEqual(curve.slice(0, 3));
  });

  it("are interpolated in the logarithm of bytes, and say nothing beyond their ends", () => {
    expect(sizeAt(curve, 24)).toBeCloseTo(200, 9);
    expect(sizeAt(curve, 22)).toBeCloseTo(Math.sqrt(100 * 200), 9);
    expect(sizeAt(curve, 20)).toBe(100);
    expect([sizeAt(curve, 19.9), sizeAt(curve, 33.1)]).toEqual([undefined, undefined]);
  });

  it("differ by the factor between their bytes, over the range of both", () => {
    expect(bdRate(times(0.8), curve)!.percent).toBeCloseTo(-20, 9);
    const part = bdRate(times(1.5).slice(1), curve.slice(0, 3))!;
    expect([part.fromDb, part.toDb]).toEqual([24, 30]);
    expect(part.percent).toBeGreaterThan(40);
    expect(part.percent).toBeLessThan(60);
    expect(bdRate(curve.slice(0, 1), curve)).toBeUndefined();
    expect(bdRate(curve.slice(2), curve.slice(0, 2))).toBeUndefined();
  });
});

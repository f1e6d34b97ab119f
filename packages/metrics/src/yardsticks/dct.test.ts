import { Random, type RgbClip } from "@coordtok/core";
import { describe, expect, it } from "vitest";
import { psnrOfRgb } from "../psnr.js";
import { ClipDct, dctOrder } from "./dct.js";

const size = { frameCount: 3, height: 5, width: 6 };
const noise: RgbClip = {
  ...size,
  data: Uint8Array.from({ length: 270 }, () => 0),
};
new Random(4).normals(270).forEach((value, i) => (noise.data[i] = Math.min(255, Math.max(0, 128 + 40 * value))));

describe("the cosine transform of a clip", () => {
  it("gives the clip back from all coefficients, and keeps its energy", () => {
    const dct = new ClipDct(noise);
    expect(dct.fromLargest(270)).toEqual(noise);
    const energy = (values: ArrayLike<number>): number =>
      Array.from(values).reduce((sum, value) => sum + value ** 2, 0);
    expect(energy(dct.coefficients) / energy(noise.data)).toBeCloseTo(1, 5);
  });

  it("has the mean grey of a flat clip in its first coefficient alone", () => {
    const dct = new ClipDct({ ...size, data: noise.data.map(() => 90) });
    expect(dct.coefficients[0]).toBeCloseTo(90 * Math.sqrt(270), 3);
    expect(dct.coefficients.subarray(1).every((value) => Math.abs(value) < 1e-3)).toBe(true);
    expect(new Set(dct.fromLargest(1).data)).toEqual(new Set([90]));
  });

  it("is closer with the largest coefficients than with others, and the closer the more are kept", () => {
    const dct = new ClipDct(noise);
    const fixed = dctOrder(dct.coefficients.map((_, i) => -i));
    const errors = [20, 80, 200].map((numbers) => [
      psnrOfRgb(noise, dct.fromFirst(fixed, numbers)).clipDb,
      psnrOfRgb(noise, dct.fromLargest(numbers)).clipDb,
    ]);
    for (const [first, largest] of errors) expect(largest).toBeGreaterThan(first!);
    expect(errors.map(([, largest]) => largest)).toEqual(errors.map(([, largest]) => largest).sort((a, b) => a! - b!));
    expect(dctOrder([1, 5, 3])).toEqual(Uint32Array.from([1, 2, 0]));
  });

  it("refuses an order of another size, no numbers, and bytes that do not fit", () => {
    const dct = new ClipDct(noise);
    expect(() => dct.fromFirst(new Uint32Array(5), 2)).toThrow("order of the clip's 270 coefficients");
    expect(() => dct.fromLargest(0)).toThrow("numbers");
    expect(() => new ClipDct({ ...noise, width: 7 })).toThrow("7");
  });
});

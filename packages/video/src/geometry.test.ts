import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { centreCrop, resizeSize } from "./geometry.js";

const square = (side: number): { width: number; height: number } => ({ width: side, height: side });
const side = fc.integer({ min: 1, max: 4000 });

describe("resizeSize", () => {
  it("refuses frames that no memory holds, whether asked for or needed to cover a size", () => {
    const [wide, most] = [
      { width: 16_000, height: 1 },
      { width: 2 ** 15, height: 2 ** 14 },
    ];
    expect(resizeSize(most, most)).toEqual(most);
    for (const [source, target] of [
      [square(128), square(99_999_999)],
      [wide, square(1000)],
    ] as const)
      expect(() => resizeSize(source, target)).toThrow(/at most 536870912 pixels a frame, got/);
  });

  it("makes the shorter side the size and rounds the longer one down", () => {
    expect(resizeSize({ width: 320, height: 240 }, square(128))).toEqual({ width: 170, height: 128 });
    expect(resizeSize({ width: 240, height: 320 }, square(128))).toEqual({ width: 128, height: 170 });
    expect(resizeSize({ width: 1280, height: 720 }, square(128))).toEqual({ width: 227, height: 128 });
    expect(resizeSize({ width: 30, height: 36 }, square(32))).toEqual({ width: 32, height: 38 });
    expect(resizeSize({ width: 50, height: 50 }, square(128))).toEqual(square(128));
  });

  it("covers a target that is not square with one side exact", () => {
    expect(resizeSize({ width: 320, height: 240 }, { width: 128, height: 72 })).toEqual({ width: 128, height: 96 });
    expect(resizeSize({ width: 320, height: 240 }, { width: 72, height: 128 })).toEqual({ width: 170, height: 128 });
  });

  it("follows torchvision's rule for every square target and covers every target", () => {
    fc.assert(
      fc.property(side, side, side, side, (width, height, targetWidth, targetHeight) => {
        // Larger ones are refused.
        const elongation = Math.max(width, height) / Math.min(width, height);
        fc.pre(Math.max(targetWidth, targetHeight) ** 2 * elongation < 2 ** 29);
        const long = Math.trunc((targetWidth * Math.max(width, height)) / Math.min(width, height));
        expect(resizeSize({ width, height }, square(targetWidth))).toEqual(
          width >= height ? { width: long, height: targetWidth } : { width: targetWidth, height: long },
        );
        const covering = resizeSize({ width, height }, { width: targetWidth, height: targetHeight });
        expect(covering.width >= targetWidth && covering.height >= targetHeight).toBe(true);
        expect(covering.width === targetWidth || covering.height === targetHeight).toBe(true);
      }),
    );
  });

  it("refuses sizes that are not whole numbers of at least 1", () => {
    expect(() => resizeSize({ width: 0, height: 4 }, square(2))).toThrow("source.width");
    expect(() => resizeSize({ width: 4, height: 4 }, { width: 2, height: 1.5 })).toThrow("size.height");
  });
});

describe("centreCrop", () => {
  it("rounds half a pixel to the even offset", () => {
    const lefts = [128, 129, 130, 131, 132, 133, 170, 227].map(
      (width) => centreCrop({ width, height: 128 }, square(128)).left,
    );
    expect(lefts).toEqual([0, 0, 1, 2, 2, 2, 21, 50]);
  });
});

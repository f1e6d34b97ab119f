import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { CoordTokError } from "@coordtok/core";
import { describe, expect, it } from "vitest";
import { fitFrame, resizeRgb, type RgbPicture } from "./resize.js";

interface PillowCase {
  /** Width and height. */
  source: [number, number];
  size: [number, number];
  /** Top, left, height, width. */
  crop: [number, number, number, number] | null;
  sourceSha256: string;
  sha256: string;
  base64?: string;
}

const { cases } = JSON.parse(readFileSync(new URL("./testdata/pillow-bicubic.json", import.meta.url), "utf8")) as {
  cases: PillowCase[];
};

/** Noise, hard edges and ramps that wrap around, so that the kernel overshoots on both sides. */
function syntheticPicture(width: number, height: number): RgbPicture {
  const data = new Uint8Array(width * height * 3);
  const seed = Math.imul(width * 1000 + height, 2654435761);
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++, at++) {
        const mixed = Math.imul(x, 73856093) ^ Math.imul(y, 19349663) ^ Math.imul(c, 83492791) ^ seed;
        const noise = (Math.imul(mixed, 2246822519) >>> 15) & 255;
        const edge = (Math.floor(x / 5) + Math.floor(y / 7) + c) % 2 === 0 ? 255 : 0;
        const kind = (x + y) % 3;
        data[at] = kind === 0 ? noise : kind === 1 ? edge : (x * 3 + y * 5 + c * 40) % 256;
      }
  return { width, height, data };
}

function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

describe("resizeRgb", () => {
  it.each(cases.map((entry) => [`${entry.source.join("x")} to ${entry.size.join("x")}`, entry] as const))(
    "gives the bytes of Pillow's bicubic: %s",
    (_, { source, size, crop, ...expected }) => {
      const picture = syntheticPicture(source[0], source[1]);
      expect(sha256(picture.data)).toBe(expected.sourceSha256);
      const [top, left, height, width] = crop ?? [0, 0, size[1], size[0]];
      const result = resizeRgb(picture, { width: size[0], height: size[1] }, { top, left, height, width });
      if (expected.base64 !== undefined) expect(Buffer.from(result).toString("base64")).toBe(expected.base64);
      expect(sha256(result)).toBe(expected.sha256);
    },
  );

  it("computes a crop equal to that part of the whole", () => {
    const picture = syntheticPicture(61, 47);
    const whole = resizeRgb(picture, { width: 33, height: 20 });
    const part = resizeRgb(picture, { width: 33, height: 20 }, { top: 3, left: 7, height: 9, width: 11 });
    for (let y = 0; y < 9; y++)
      expect(part.subarray(y * 33, (y + 1) * 33)).toEqual(
        whole.subarray(((y + 3) * 33 + 7) * 3, ((y + 3) * 33 + 18) * 3),
      );
  });

  it("refuses bytes that do not fit the size, a crop outside and a size of nothing", () => {
    const picture = syntheticPicture(6, 4);
    const wrong = { ...picture, width: 7 };
    expect(() => resizeRgb(wrong, { width: 3, height: 2 })).toThrow("Expected 84 bytes");
    expect(() => resizeRgb(picture, { width: 3, height: 2 }, { top: 0, left: 1, width: 3, height: 2 })).toThrow(
      "inside 3x2",
    );
    expect(() => resizeRgb(picture, { width: 0, height: 2 })).toThrow(CoordTokError);
  });

  it("does not change its input and gives the same bytes every time", () => {
    const picture = syntheticPicture(40, 30);
    const before = picture.data.slice();
    const first = resizeRgb(picture, { width: 21, height: 16 });
    for (let i = 0; i < 40; i++) resizeRgb(picture, { width: 20 + i, height: 16 });
    expect(resizeRgb(picture, { width: 21, height: 16 })).toEqual(first);
    expect(picture.data).toEqual(before);
  });
});

describe("fitFrame", () => {
  it("resizes to cover the target, crops in the middle and keeps the time", () => {
    const frame = { ...syntheticPicture(320, 240), timestampSeconds: 1.5 };
    const fitted = fitFrame(frame, { width: 128, height: 128 });
    expect(fitted).toMatchObject({ width: 128, height: 128, timestampSeconds: 1.5 });
    expect(fitted.data).toEqual(
      resizeRgb(frame, { width: 170, height: 128 }, { top: 0, left: 21, height: 128, width: 128 }),
    );
  });

  it("leaves a frame of the right size alone", () => {
    const frame = { ...syntheticPicture(16, 8), timestampSeconds: 0 };
    expect(fitFrame(frame, { width: 16, height: 8 })).toBe(frame);
  });
});

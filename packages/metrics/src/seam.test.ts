import { Random, type RgbClip } from "@coordtok/core";
import { describe, expect, it } from "vitest";
import { seamScore } from "./seam.js";

const size = { width: 8, height: 8 };

function clip(frameCount: number, value: (t: number, i: number) => number): RgbClip {
  const perFrame = size.width * size.height * 3;
  return {
    ...size,
    frameCount,
    data: Uint8Array.from({ length: frameCount * perFrame }, (_, i) => value(Math.floor(i / perFrame), i % perFrame)),
  };
}

describe("seam score", () => {
  it("is 1 where the borders change as much as all other frames, and for a still clip", async () => {
    const steady = await seamScore(
      clip(12, (t) => 5 * t),
      { segmentLength: 4 },
    );
    expect(steady).toEqual({ ratio: 1, borderJump: 5 / 255, insideJump: 5 / 255, borders: 2 });
    expect(
      (
        await seamScore(
          clip(12, () => 7),
          { segmentLength: 4 },
        )
      ).ratio,
    ).toBe(1);
  });

  it("is the jump at the borders over that inside", async () => {
    const { ratio, borders } = await seamScore(
      clip(10, (t) => 2 * t + 20 * Math.floor(t / 3)),
      { segmentLength: 3 },
    );
    expect(ratio).toBeCloseTo(11, 10);
    expect(borders).toBe(3);
  });

  it("grows with the difference between segments", async () => {
    const random = new Random(1);
    const noise = Array.from({ length: 16 * 192 }, () => random.integer(20));
    const ratios: number[] = [];
    for (const level of [0, 4, 8, 16]) {
      const shaded = clip(16, (t, i) => 100 + noise[t * 192 + i]! + (Math.floor(t / 4) % 2) * level);
      ratios.push((await seamScore(shaded, { segmentLength: 4 })).ratio);
    }
    expect(Math.abs(ratios[0]! - 1)).toBeLessThan(0.1);
    expect(ratios).toEqual([...ratios].sort((a, b) => a - b));
  });

  it("with the reference, cuts of the clip itself do not count", async () => {
    const reference = clip(12, (t) => (t < 4 ? 20 : 200));
    const reconstruction = clip(12, (t) => (t < 4 ? 20 : 200) + (t % 2));
    const alone = await seamScore(reconstruction, { segmentLength: 4 });
    const against = await seamScore(reconstruction, { segmentLength: 4, reference });
    expect(alone.ratio).toBeGreaterThan(50);
    expect(against.ratio).toBeCloseTo(1, 12);
  });

  it("a clip of one segment and an impossible length are refused", async () => {
    await expect(
      seamScore(
        clip(4, () => 0),
        { segmentLength: 4 },
      ),
    ).rejects.toThrow("one segment of 4, got 4");
    await expect(
      seamScore(
        clip(4, () => 0),
        { segmentLength: 1 },
      ),
    ).rejects.toThrow("at least 2, got 1");
    await expect(
      seamScore(
        clip(4, () => 0),
        { segmentLength: 2, reference: clip(3, () => 0) },
      ),
    ).rejects.toThrow("the reference ends after 3");
  });
});

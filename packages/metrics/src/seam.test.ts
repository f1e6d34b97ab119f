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
  it("is 1 if the borders change as much as all other frames, and for a still clip", async () => {
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

  it("grows with a shift or blur of every other segment and with the share of each that is frozen", async () => {
    const wave = (x: number, y: number, t: number): number => 120 + 90 * Math.sin(x / 1.5 + t / 9) * Math.cos(y / 2);
    const moving = (value: (x: number, y: number, t: number) => number): RgbClip =>
      clip(16, (t, i) => value(Math.floor(i / 3) % 8, Math.floor(i / 24), t));
    const odd = (t: number): number => Math.floor(t / 4) % 2;
    const blurred = (x: number, y: number, t: number, radius: number): number => {
      let sum = 0;
      for (let i = -radius; i <= radius; i++) sum += wave(x + i, y, t);
      return sum / (2 * radius + 1);
    };
    const damages: Record<string, (level: number) => RgbClip> = {
      shift: (level) => moving((x, y, t) => wave(x + level * odd(t), y, t)),
      blur: (level) => moving((x, y, t) => blurred(x, y, t, level * odd(t))),
      "frozen frames": (level) => moving((x, y, t) => wave(x, y, t - Math.max(0, (t % 4) - 3 + level))),
    };
    for (const [name, damage] of Object.entries(damages)) {
      let before = 0;
      for (const level of [0, 1, 2]) {
        const { ratio } = await seamScore(damage(level), { segmentLength: 4 });
        if (level === 0) expect(Math.abs(ratio - 1)).toBeLessThan(0.2);
        expect(ratio, `${name} at level ${level}`).toBeGreaterThan(before);
        before = ratio;
      }
    }
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
    ).rejects.toThrow("the 4 of one segment, got 4");
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

import { Random, type RgbFrame } from "@coordtok/core";
import { describe, expect, it } from "vitest";
import { Downsampler, pooledClip, smallSizeFor, type SmallSize } from "./pooling.js";

const size = { frames: 7, height: 10, width: 13 };

function frames(value: (x: number, y: number, t: number) => number): RgbFrame[] {
  const { frames, height, width } = size;
  return Array.from({ length: frames }, (_, t) => ({
    width,
    height,
    timestampSeconds: t,
    data: Uint8Array.from({ length: width * height * 3 }, (_, i) =>
      value(Math.floor(i / 3) % width, Math.floor(i / 3 / width), t),
    ),
  }));
}

function errorOf(original: readonly RgbFrame[], small: SmallSize): number {
  const downsampler = new Downsampler(size, small);
  for (const frame of original) downsampler.take(frame);
  let sum = 0;
  [...downsampler.frames()].forEach((frame, t) =>
    frame.data.forEach((value, i) => (sum += Math.abs(value - original[t]!.data[i]!))),
  );
  return sum / (original.length * original[0]!.data.length);
}

describe("plain downsampling", () => {
  it("at full size changes nothing", () => {
    const noise = new Random(1).normals(2000);
    const original = frames((x, y, t) => 128 + 40 * noise[t * 200 + y * 13 + x]!);
    expect(errorOf(original, size)).toBe(0);
  });

  it("preserves flat clips at any size, and comes closer to others the more it may store", () => {
    const flat = frames(() => 77);
    const moving = frames((x, y, t) => 128 + 90 * Math.sin((x + 2 * t) / 3) * Math.cos(y / 2));
    const errors = [30, 300, 1500].map((values) => {
      const small = smallSizeFor(size, values);
      expect(errorOf(flat, small)).toBe(0);
      return errorOf(moving, small);
    });
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
    expect(errors[2]).toBeLessThan(0.7 * errors[0]!);
  });

  it("averages boxes: a clip of two colours stored as one pixel comes back as their mean", () => {
    const halves = frames((x) => (x < 6 ? 0 : x === 6 ? 50 : 100));
    const downsampler = new Downsampler(size, { frames: 1, height: 1, width: 1 });
    for (const frame of halves) downsampler.take(frame);
    for (const frame of downsampler.frames()) expect(new Set(frame.data)).toEqual(new Set([50]));
  });

  it.each([3, 10, 99, 768, 10_240, 1e9])("stores no more than %d values and not much less", (values) => {
    for (const whole of [size, { frames: 128, height: 128, width: 128 }, { frames: 1, height: 300, width: 5 }]) {
      const { frames, height, width } = smallSizeFor(whole, values);
      const stored = frames * height * width * 3;
      const most = Math.min(values, whole.frames * whole.height * whole.width * 3);
      expect(stored).toBeLessThanOrEqual(Math.max(3, most));
      expect(stored).toBeGreaterThan(most / 3);
      expect([frames <= whole.frames, height <= whole.height, width <= whole.width]).toEqual([true, true, true]);
    }
  });

  it("gives a whole clip as the stream does", () => {
    const original = frames((x, y, t) => 3 * x + 5 * y + 7 * t);
    const small = smallSizeFor(size, 300);
    const downsampler = new Downsampler(size, small);
    for (const frame of original) downsampler.take(frame);
    const { frames: frameCount, height, width } = size;
    const data = Buffer.concat(original.map((frame) => frame.data));
    const pooled = pooledClip({ data, frameCount, height, width }, 300);
    expect(pooled).toMatchObject({ frameCount, height, width });
    expect(Buffer.from(pooled.data)).toEqual(Buffer.concat([...downsampler.frames()].map((frame) => frame.data)));
    expect(() => pooledClip({ data, frameCount, height, width }, 0)).toThrow("numbers");
  });
});

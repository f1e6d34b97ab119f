import { Random, type RgbClip } from "@coordtok/core";
import { describe, expect, it } from "vitest";
import { contentOf } from "./content.js";

const [width, height] = [24, 20];

/** Frames of grey values 0 to 1 by column, row and frame. */
function clip(frameCount: number, shade: (x: number, y: number, t: number) => number): RgbClip {
  const data = Uint8Array.from({ length: frameCount * height * width * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return 255 * shade(pixel % width, Math.floor(pixel / width) % height, Math.floor(pixel / (width * height)));
  });
  return { data, frameCount, width, height };
}

describe("motion and detail", () => {
  it("of a flat still clip are 0, of a single frame the motion is 0", async () => {
    expect(await contentOf(clip(3, () => 0.5))).toEqual({ motion: 0, detail: 0, frameCount: 3 });
    expect((await contentOf(clip(1, (x) => x % 2))).motion).toBe(0);
  });

  it("the motion is the mean change from frame to frame", async () => {
    const { motion, detail } = await contentOf(clip(4, (_x, _y, t) => t / 5));
    expect(motion).toBeCloseTo(0.2, 10);
    expect(detail).toBe(0);
  });

  it("the detail of a ramp is its slope", async () => {
    const { detail } = await contentOf(clip(2, (x, y) => (3 * x + 4 * y) / 255));
    expect(detail).toBeCloseTo(5 / 255, 6);
  });

  it("faster motion and finer texture score higher, frozen frames lower", async () => {
    const wave = (speed: number, period: number) => (x: number, y: number, t: number) =>
      0.5 + 0.4 * Math.sin((2 * Math.PI * (x + speed * t)) / period) * Math.cos(y / 6);
    const motions: number[] = [];
    for (const speed of [0, 0.5, 1, 2]) motions.push((await contentOf(clip(8, wave(speed, 20)))).motion);
    const details: number[] = [];
    for (const period of [40, 20, 10, 6]) details.push((await contentOf(clip(2, wave(0, period)))).detail);
    for (const series of [motions, details]) expect(series).toEqual([...series].sort((a, b) => a - b));
    const moving = wave(1, 20);
    const frozen = await contentOf(clip(8, (x, y, t) => moving(x, y, Math.min(t, 3))));
    expect(frozen.motion).toBeLessThan(motions[2]!);
    expect(frozen.motion).toBeGreaterThan(0);
  });

  it("blur takes detail, a shift changes neither much, frames out of order move more", async () => {
    const shade = (x: number, y: number, t: number): number =>
      0.5 + 0.4 * Math.sin((x + t) / 1.5) * Math.cos(y / 2 - t / 5);
    const blurred = (radius: number) => (x: number, y: number, t: number) => {
      let sum = 0;
      for (let i = -radius; i <= radius; i++) for (let j = -radius; j <= radius; j++) sum += shade(x + i, y + j, t);
      return sum / (2 * radius + 1) ** 2;
    };
    const original = await contentOf(clip(8, shade));
    let before = original.detail;
    for (const radius of [1, 2, 3]) {
      const { detail } = await contentOf(clip(8, blurred(radius)));
      expect(detail).toBeLessThan(before);
      before = detail;
    }
    const shifted = await contentOf(clip(8, (x, y, t) => shade(x + 5, y, t)));
    for (const name of ["motion", "detail"] as const)
      expect(Math.abs(shifted[name] / original[name] - 1)).toBeLessThan(0.1);
    let motion = original.motion;
    for (const order of [
      [0, 1, 2, 3, 4, 6, 5, 7],
      [0, 2, 1, 3, 4, 6, 5, 7],
      [0, 4, 1, 5, 2, 6, 3, 7],
    ]) {
      const shuffled = await contentOf(clip(8, (x, y, t) => shade(x, y, order[t]!)));
      expect(shuffled.motion).toBeGreaterThan(motion);
      motion = shuffled.motion;
    }
  });

  it("noise adds to both", async () => {
    const random = new Random(1);
    const { motion, detail } = await contentOf(clip(4, () => 0.5 + 0.2 * (random.uniform() - 0.5)));
    expect(Math.min(motion, detail)).toBeGreaterThan(0.02);
  });

  it("no frames and frames without inner pixels are refused", async () => {
    await expect(contentOf([])).rejects.toThrow("got none");
    await expect(contentOf({ data: new Uint8Array(6), frameCount: 1, width: 2, height: 1 })).rejects.toThrow("got 2x1");
  });
});

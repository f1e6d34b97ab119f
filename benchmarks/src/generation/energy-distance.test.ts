import { Random } from "@coordtok/core";
import { describe, expect, it } from "vitest";
import { energyDistance } from "./energy-distance.js";
import { framesLookedAt } from "./video-features.js";

const random = new Random(3);
const normals = (count: number, centre = 0): Float32Array[] =>
  Array.from({ length: count }, () => random.normals(8).map((value) => value + centre));

describe("energyDistance", () => {
  it("is near 0 for sets of one distribution whatever their sizes, and grows with the distance of their means", () => {
    const reference = normals(200);
    expect(Math.abs(energyDistance(reference, normals(16)))).toBeLessThan(0.15);
    const [near, far] = [energyDistance(reference, normals(16, 0.5)), energyDistance(reference, normals(16, 2))];
    expect([near > 0.15, far > 4 * near]).toEqual([true, true]);
  });

  it("is 2 for two single points at distance 1 beside their copies", () => {
    const [a, b] = [Float32Array.of(0), Float32Array.of(1)];
    expect(energyDistance([a, a], [b, b])).toBe(2);
  });
});

describe("framesLookedAt", () => {
  it("takes four frames of each of eight equal stretches, rising and inside the clip", () => {
    const frames = framesLookedAt(128);
    expect(frames.slice(0, 5)).toEqual([0, 4, 8, 12, 16]);
    expect(frames).toHaveLength(32);
    expect(frames.at(-1)).toBe(124);
  });
});

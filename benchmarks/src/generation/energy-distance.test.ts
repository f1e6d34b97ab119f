import { Random } from "@coordtok/core";
import { describe, expect, it } from "vitest";
import { chooseClips, twoHalves } from "./class-mix.js";
import { compareSets } from "./compare-sets.js";
import { EnergyDistance, type FeaturedClip } from "./energy-distance.js";
import { featureCount, framesLookedAt } from "./video-features.js";

const random = new Random(3);
const clips = (count: number, centre = 0, label = 0): FeaturedClip[] =>
  Array.from({ length: count }, () => ({
    label,
    windows: [0, 1].map(() => random.normals(featureCount).map((value) => value + centre)),
  }));
const pointAt = (value: number): FeaturedClip => ({ label: 0, windows: [Float32Array.of(value)] });

describe("EnergyDistance", () => {
  it("is near 0 for sets of any size from the same distribution, and grows with the distance of their means", () => {
    const reference = clips(100);
    const energy = new EnergyDistance();
    expect(Math.abs(energy.between(reference, clips(8)))).toBeLessThan(0.3);
    const [near, far] = [energy.between(reference, clips(8, 0.3)), energy.between(reference, clips(8, 1.2))];
    expect([near > 0.3, far > 4 * near]).toEqual([true, true]);
  });

  it("is 2 for two single points at distance 1 beside their copies, and compares no clip with itself", () => {
    const [a, b, c] = [pointAt(0), pointAt(1), pointAt(3)];
    expect(new EnergyDistance().between([a, pointAt(0)], [b, pointAt(1)])).toBe(2);
    expect(new EnergyDistance().between([a, c, c], [b, pointAt(1)])).toBeCloseTo((2 * 5) / 3 - 3, 6);
  });
});

describe("compareSets", () => {
  it("shows which class of a set is wrong, and how much of the distance is chance", { timeout: 30_000 }, () => {
    const reference = [...clips(24), ...clips(24, 0, 1)];
    const set = [...clips(24), ...clips(24, 1, 1)];
    const scores = compareSets(reference, set, ["right", "wrong"]);
    expect(Math.abs(scores.energyOfClasses["right"]!)).toBeLessThan(0.3);
    expect(scores.energyOfClasses["wrong"]).toBeGreaterThan(2);
    const same = compareSets(reference, [...clips(24), ...clips(24, 0, 1)], ["right", "wrong"]);
    expect(scores.frechet).toBeGreaterThan(same.frechet + 3 * same.frechetSpread);
    expect(scores.frechetSpread).toBeGreaterThan(0);
  });
});

describe("the classes of a set", () => {
  const labels = Array.from({ length: 100 }, (_, clip) => (clip < 6 ? 0 : 1));

  it("are equally frequent with turn, and as frequent as in the dataset otherwise; no clip is in both halves", () => {
    const [ours, theirs] = twoHalves(labels, random);
    expect(ours.flat().filter((clip) => theirs.flat().includes(clip))).toEqual([]);
    expect(ours.map(({ length }) => length)).toEqual([3, 47]);
    const count = (chosen: readonly number[]): number => chosen.filter((clip) => labels[clip] === 0).length;
    expect(count(chooseClips(ours, 20, "turn", random))).toBe(10);
    expect(count(chooseClips(ours, 50, "dataset", random))).toBe(3);
  });
});

describe("framesLookedAt", () => {
  it("takes four frames of each of eight equal stretches, in ascending order and inside the clip", () => {
    const frames = framesLookedAt(128);
    expect(frames.slice(0, 5)).toEqual([0, 4, 8, 12, 16]);
    expect(frames).toHaveLength(32);
    expect(frames.at(-1)).toBe(124);
  });
});

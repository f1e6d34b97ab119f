import { Random } from "@coordtok/core";
import { describe, expect, it } from "vitest";
import { frechetDistance } from "./frechet.js";
import { statisticsOf } from "./statistics.js";

const dimension = 12;

function vectors(seed: number, count: number, scale = 1, shift = 0): Float64Array {
  return Float64Array.from(new Random(seed).normals(count * dimension), (value) => value * scale + shift);
}

const statistics = (...args: Parameters<typeof vectors>) => statisticsOf(vectors(...args), dimension);

describe("Fréchet distance", () => {
  it("of a set from itself is 0", () => {
    const set = statistics(1, 200);
    expect(Math.abs(frechetDistance(set, set).distance)).toBeLessThan(1e-10);
  });

  it("of a shifted set is the square of the shift", () => {
    const [here, there] = [statistics(2, 200), statistics(2, 200, 1, 0.5)];
    expect(frechetDistance(here, there).distance).toBeCloseTo(dimension * 0.25, 9);
  });

  it("of a set stretched by s is (s - 1)^2 times its total variance", () => {
    const [plain, stretched] = [statistics(3, 200), statistics(3, 200, 3)];
    const mean = plain.mean.reduce((sum, value) => sum + (2 * value) ** 2, 0);
    const { distance, traceTerm } = frechetDistance(plain, stretched);
    expect(distance - mean).toBeCloseTo((4 * traceTerm) / 10, 9);
  });

  it("is the same in both directions", () => {
    const [a, b] = [statistics(4, 60), statistics(5, 90, 1.5, 0.3)];
    expect(frechetDistance(a, b).distance).toBeCloseTo(frechetDistance(b, a).distance, 9);
  });

  it("grows with the noise on one set", () => {
    const base = vectors(6, 300);
    const noise = vectors(7, 300);
    const distances = [0, 0.3, 0.6, 1.2].map((level) => {
      const noisy = base.map((value, i) => value + level * noise[i]!);
      return frechetDistance(statisticsOf(base, dimension), statisticsOf(noisy, dimension)).distance;
    });
    expect(distances).toEqual([...distances].sort((a, b) => a - b));
    expect(distances[3]).toBeGreaterThan(1);
  });

  it("few vectors are handled, with a warning that names the count", () => {
    const { distance, warnings } = frechetDistance(statistics(8, 5), statistics(9, 40));
    expect(Number.isFinite(distance)).toBe(true);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("The first set has 5 vectors of 12 features");
  });

  it("sets without variance are compared by their means", () => {
    const constant = (value: number) => statisticsOf(new Float64Array(4 * dimension).fill(value), dimension);
    expect(frechetDistance(constant(1), constant(3)).distance).toBeCloseTo(4 * dimension, 12);
  });

  it("one vector, or vectors of another length, are refused", () => {
    expect(() => frechetDistance(statistics(1, 1), statistics(1, 9))).toThrow("at least 2 feature vectors");
    expect(() => frechetDistance(statistics(1, 9), statisticsOf(new Float64Array(20), 10))).toThrow("got 12 and 10");
  });

  it("of 1024 features takes less than ten seconds of computing", { timeout: 120_000 }, () => {
    const wide = (seed: number) => statisticsOf(new Random(seed).normals(64 * 1024), 1024);
    // The time of one product of this size calibrates for the machine and its load.
    const full = wide(1);
    const spread = { ...full, count: 2048, scatter: full.scatter.map((v, i) => v + (i % 1025 === 0 ? 30 : 0)) };
    const before = process.cpuUsage().user;
    const { distance } = frechetDistance(spread, wide(2));
    expect((process.cpuUsage().user - before) / 1e6).toBeLessThan(10);
    expect(Number.isFinite(distance)).toBe(true);
  });
});

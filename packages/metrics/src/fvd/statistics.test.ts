import { Random } from "@coordtok/core";
import { describe, expect, it } from "vitest";
import { collectStatistics } from "./features.js";
import {
  covarianceOf,
  decodeStatistics,
  emptyStatistics,
  encodeStatistics,
  mergeStatistics,
  statisticsOf,
} from "./statistics.js";

const dimension = 5;
const count = 700;
// Far from 0, where one pass over squares would lose all digits of the variance.
const vectors = Float64Array.from(
  new Random(1).normals(count * dimension),
  (value, i) => 1e6 + (i % dimension) * value,
);
const whole = statisticsOf(vectors, dimension);

function expectSame(a: typeof whole, b: typeof whole): void {
  expect(a.count).toBe(b.count);
  a.mean.forEach((value, i) => expect(Math.abs(value / b.mean[i]! - 1)).toBeLessThan(1e-13));
  a.scatter.forEach((value, i) => expect(Math.abs(value - b.scatter[i]!)).toBeLessThan(1e-6));
}

describe("pooled statistics", () => {
  it("are mean and unbiased covariance", () => {
    const { mean } = whole;
    const covariance = covarianceOf(whole);
    for (let i = 0; i < dimension; i++)
      for (let j = 0; j < dimension; j++) {
        let sum = 0;
        for (let n = 0; n < count; n++)
          sum += (vectors[n * dimension + i]! - mean[i]!) * (vectors[n * dimension + j]! - mean[j]!);
        expect(covariance[i * dimension + j]).toBeCloseTo(sum / (count - 1), 7);
      }
  });

  it("of shards, merged in any grouping, are those of the whole", () => {
    const shard = (from: number, to: number) =>
      statisticsOf(vectors.subarray(from * dimension, to * dimension), dimension);
    const [a, b, c] = [shard(0, 1), shard(1, 300), shard(300, count)];
    expectSame(mergeStatistics(mergeStatistics(a, b), c), whole);
    expectSame(mergeStatistics(a, mergeStatistics(c, b)), whole);
    expectSame(mergeStatistics(emptyStatistics(dimension), whole), whole);
    expect(mergeStatistics(emptyStatistics(2), emptyStatistics(2))).toEqual(emptyStatistics(2));
  });

  it("of a stream are those of the whole", async () => {
    function* stream() {
      for (let n = 0; n < count; n++) yield vectors.subarray(n * dimension, (n + 1) * dimension);
    }
    expectSame(await collectStatistics(stream()), whole);
    await expect(collectStatistics([])).rejects.toThrow("got none");
    await expect(collectStatistics([[1, 2], [1]])).rejects.toThrow("got one of 1");
  });

  it("survive a file exactly, with their facts", async () => {
    const bytes = await encodeStatistics(whole, { network: "i3d", output: "logits" });
    const { statistics, facts } = await decodeStatistics(bytes);
    expect(statistics).toEqual(whole);
    expect(facts).toEqual({ network: "i3d", output: "logits" });
  });

  it("another file is refused", async () => {
    const { encodeSafetensors } = await import("@coordtok/core");
    const pieces: Uint8Array[] = [];
    for await (const piece of encodeSafetensors([{ name: "mean", dtype: "F64", shape: [1], bytes: new Uint8Array(8) }]))
      pieces.push(piece);
    await expect(decodeStatistics(Uint8Array.from(pieces.flatMap((piece) => [...piece])))).rejects.toThrow(
      "Expected a file of feature statistics",
    );
    await expect(decodeStatistics(new Uint8Array(3))).rejects.toThrow("only 3 bytes long");
  });

  it("values that are not finite are refused", () => {
    expect(() => statisticsOf([1, 2, NaN, 4], 2)).toThrow("feature 0");
    expect(() => statisticsOf([1, 2, 3], 2)).toThrow("got 3 numbers in all");
  });
});

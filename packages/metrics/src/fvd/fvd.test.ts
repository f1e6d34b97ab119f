import type { Tensor } from "@tensorflow/tfjs-core";
import { Random, type RgbFrame } from "@coordtok/core";
import { describeEachBackend } from "@coordtok/tools";
import { expect, it } from "vitest";
import { collectStatistics, fvdFeatures } from "./features.js";
import { frechetDistance } from "./frechet.js";
import { disposeI3dParams, i3dParamsFromStateDict, i3dWeightShapes } from "./i3d-params.js";

const [count, width, height] = [9, 40, 32];

type Shade = (x: number, y: number, t: number, clip: number) => number;

/** Discs of different speeds over waves. */
const shade: Shade = (x, y, t, clip) =>
  110 +
  50 * Math.sin(x / 4 + clip) * Math.cos(y / 5 - t / 2) +
  (Math.hypot(x - 8 - (2 + clip) * t, y - 12 - clip) < 8 ? 70 : 0);

function frames(value: Shade, clip: number): RgbFrame[] {
  return Array.from({ length: count }, (_, t) => ({
    width,
    height,
    timestampSeconds: t / 30,
    data: new Uint8Array(
      Uint8ClampedArray.from({ length: width * height * 3 }, (_, i) =>
        value(Math.floor(i / 3) % width, Math.floor(i / (3 * width)), t, clip),
      ).buffer,
    ),
  }));
}

function randomI3d() {
  const random = new Random(1);
  const tensors = new Map<string, Tensor>();
  for (const [name, shape] of i3dWeightShapes(16)) {
    const inputs = shape.slice(1).reduce((product, dim) => product * dim, 1);
    const made = name.includes("bn")
      ? random.uniformTensor([...shape], 0.5, 1)
      : random.normalTensor([...shape], Math.sqrt(2 / inputs));
    tensors.set(name, made);
  }
  const params = i3dParamsFromStateDict(tensors);
  for (const made of tensors.values()) made.dispose();
  return params;
}

// A network of random weights sees all these.
describeEachBackend("FVD", (backend) => {
  it.skipIf(backend === "cpu")(
    `of equal sets is 0; noise, shuffled and frozen frames raise it${backend === "cpu" ? " (skipped: plain JavaScript takes ten minutes)" : ""}`,
    { timeout: 600_000 },
    async () => {
      const params = randomI3d();
      const statisticsOfSet = async (value: Shade) => {
        const vectors: Float32Array[] = [];
        for (const clip of [0, 1])
          for await (const vector of fvdFeatures(params, frames(value, clip), { windowLength: count }))
            vectors.push(vector);
        return collectStatistics(vectors);
      };
      const random = new Random(2);
      const noise = random.normals(64);
      const noisy =
        (level: number): Shade =>
        (x, y, t, clip) =>
          shade(x, y, t, clip) + level * noise[(x * 7 + y * 13 + t * 5) % 64]!;
      const original = await statisticsOfSet(shade);
      const distance = async (value: Shade): Promise<number> =>
        frechetDistance(original, await statisticsOfSet(value)).distance;
      const order = [4, 0, 7, 2, 8, 5, 1, 6, 3];
      const same = frechetDistance(original, original).distance;
      const some = await distance(noisy(10));
      const more = await distance(noisy(40));
      const shuffled = await distance((x, y, t, clip) => shade(x, y, order[t]!, clip));
      const frozen = await distance((x, y, _, clip) => shade(x, y, 4, clip));
      const scale = original.mean.reduce((sum, value) => sum + value ** 2, 0);
      expect(Math.abs(same)).toBeLessThan(1e-4 * scale);
      for (const worse of [some, shuffled, frozen]) expect(worse).toBeGreaterThan(10 * Math.abs(same) + 1e-4 * scale);
      expect(more).toBeGreaterThan(some);
      disposeI3dParams(params);
    },
  );
});

import { Random, type RgbFrame } from "@coordtok/core";
import { describeEachBackend } from "@coordtok/tools";
import { expect, it } from "vitest";
import { collectStatistics, fvdFeatures } from "./features.js";
import { frechetDistance } from "./frechet.js";
import { disposeI3dParams } from "./i3d-params.js";
import { randomI3dParams } from "./random-i3d.js";

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

const noise = new Random(2).normals(64);

const noisy =
  (level: number): Shade =>
  (x, y, t, clip) =>
    shade(x, y, t, clip) + level * noise[(x * 7 + y * 13 + t * 5) % 64]!;

const blurred =
  (radius: number): Shade =>
  (x, y, t, clip) => {
    let sum = 0;
    for (let i = -radius; i <= radius; i++) for (let j = -radius; j <= radius; j++) sum += shade(x + i, y + j, t, clip);
    return sum / (2 * radius + 1) ** 2;
  };

const ordered =
  (order: readonly number[]): Shade =>
  (x, y, t, clip) =>
    shade(x, y, order[t]!, clip);

const frozen =
  (last: number): Shade =>
  (x, y, t, clip) =>
    shade(x, y, Math.min(t, last), clip);

/** The degradations that FVD must detect, mildest first; a network of random weights does. */
const ladders: Readonly<Record<string, readonly Shade[]>> = {
  noise: [noisy(10), noisy(40)],
  blur: [blurred(1), blurred(3)],
  shift: [2, 8].map((pixels) => (x, y, t, clip) => shade(x + pixels, y, t, clip)),
  "shuffled frames": [ordered([0, 1, 3, 2, 4, 5, 6, 7, 8]), ordered([4, 0, 7, 2, 8, 5, 1, 6, 3])],
  "frozen frames": [frozen(6), frozen(0)],
};

describeEachBackend("FVD", (backend) => {
  // Elsewhere a pass of the network takes a second and more.
  const seen = backend === "tensorflow" ? Object.keys(ladders) : ["shuffled frames"];
  const reason = " (skipped: plain JavaScript takes ten minutes)";
  it.skipIf(backend === "cpu")(
    `of equal sets is 0, and grows with ${seen.join(", ")}${backend === "cpu" ? reason : ""}`,
    { timeout: 600_000 },
    async () => {
      const params = randomI3dParams(new Random(1), 16);
      const statisticsOfSet = async (value: Shade) => {
        const vectors: Float32Array[] = [];
        for (const clip of [0, 1])
          for await (const vector of fvdFeatures(params, frames(value, clip), { windowLength: count }))
            vectors.push(vector);
        return collectStatistics(vectors);
      };
      const original = await statisticsOfSet(shade);
      const same = Math.abs(frechetDistance(original, original).distance);
      const scale = original.mean.reduce((sum, value) => sum + value ** 2, 0);
      expect(same).toBeLessThan(1e-8 * scale);
      for (const name of seen) {
        let before = 1e-5 * scale;
        for (const [level, value] of ladders[name]!.entries()) {
          const { distance } = frechetDistance(original, await statisticsOfSet(value));
          expect(distance, `${name} at level ${level}`).toBeGreaterThan(before);
          before = distance;
        }
      }
      disposeI3dParams(params);
    },
  );
});

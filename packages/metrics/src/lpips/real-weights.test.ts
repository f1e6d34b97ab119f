import "@coordtok/core/train";
import { describeEachBackend } from "@coordtok/tools";
import { fill, grad, mean, mul, slice, sub, tensor, tidy, type Tensor4D } from "@tensorflow/tfjs-core";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadLpips } from "../node/load-weights.js";
import { lpips, perceptualLoss } from "./lpips.js";
import { disposeLpipsParams, type LpipsParams } from "./params.js";

const folder = fileURLToPath(new URL("../../../../../shared/data/weights/", import.meta.url));
const present = existsSync(`${folder}MANIFEST.json`);
const reason = "the weights of LPIPS with SqueezeNet are not beside the repository";
if (!present) process.stdout.write(`skipped: ${reason}\n`);

/** PyTorch's uniform numbers after `manual_seed`: 24 bits of each number of the Mersenne twister MT19937. */
function torchRand(seed: number): () => number {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++) state[i] = Math.imul(1812433253, state[i - 1]! ^ (state[i - 1]! >>> 30)) + i;
  let at = 624;
  return () => {
    if (at === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (state[i]! & 0x80000000) | (state[(i + 1) % 624]! & 0x7fffffff);
        state[i] = state[(i + 397) % 624]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = state[at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return (y & 0xffffff) / 2 ** 24;
  };
}

/** `rand(10, 3, 100, 100) * 2 - 1` as `[10, 100, 100, 3]`. */
function randomImages(rand: () => number): Tensor4D {
  const [count, channels, pixels] = [10, 3, 100 * 100];
  const values = new Float32Array(count * channels * pixels);
  for (let n = 0; n < count; n++)
    for (let c = 0; c < channels; c++)
      for (let p = 0; p < pixels; p++) values[(n * pixels + p) * channels + c] = Math.fround(rand() * 2) - 1;
  return tensor(values, [count, 100, 100, channels]);
}

if (!present)
  describe.skip(`LPIPS with the weights of SqueezeNet 1.1 (skipped: ${reason})`, () => it("0.1008", () => {}));
else
  describeEachBackend("LPIPS with the weights of SqueezeNet 1.1", () => {
    let params: LpipsParams;
    beforeAll(async () => {
      ({ params } = await loadLpips("squeeze", folder));
    });
    afterAll(() => disposeLpipsParams(params));

    it("is the published 0.1008 of torchmetrics' example", { timeout: 240_000 }, async () => {
      const rand = torchRand(123);
      const [first, second] = [randomImages(rand), randomImages(rand)];
      const value = (await mean(lpips(params, first, second)).data())[0]!;
      expect(value.toFixed(4)).toBe("0.1008");
      // What a second implementation measured with the same files.
      expect(Math.abs(value - 0.1007910817861557)).toBeLessThan(1e-6);
    });

    it(
      "its gradient is finite, also where features are all zero, and points from a wrong frame to the right one",
      { timeout: 120_000 },
      async () => {
        const rand = torchRand(5);
        const target = tidy(() => slice(randomImages(rand), [0, 0, 0, 0], [1, 64, 64, 3]) as Tensor4D);
        const loss = perceptualLoss(params);
        for (const shade of [-1, 0, 1]) {
          const start = fill([1, 64, 64, 3], shade) as Tensor4D;
          const gradient = grad((x) => loss(x as Tensor4D, target))(start);
          const values = Array.from(await gradient.data());
          expect(values.every(Number.isFinite)).toBe(true);
          const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
          const better = sub(start, mul(gradient, 1e-3 / largest)) as Tensor4D;
          expect((await loss(better, target).data())[0]).toBeLessThan((await loss(start, target).data())[0]!);
        }
      },
    );

    it("grows with noise, blur and shift of a picture", { timeout: 120_000 }, async () => {
      const side = 64;
      const picture = (shade: (x: number, y: number, c: number) => number): Tensor4D =>
        tensor(
          Float32Array.from({ length: side * side * 3 }, (_, i) =>
            shade(Math.floor(i / 3) % side, Math.floor(i / (3 * side)), i % 3),
          ),
          [1, side, side, 3],
        );
      const rand = torchRand(7);
      const noise = Float32Array.from({ length: side * side * 3 }, () => rand() * 2 - 1);
      const wave = (x: number, y: number, c: number): number =>
        0.6 * Math.sin(x / 3 + c) * Math.cos(y / 4) + (Math.hypot(x - 32, y - 30) < 15 ? 0.3 : 0);
      const softened = (width: number) => (x: number, y: number, c: number) => {
        let sum = 0;
        for (let i = -width; i <= width; i++) for (let j = -width; j <= width; j++) sum += wave(x + i, y + j, c);
        return sum / (2 * width + 1) ** 2;
      };
      const ladders: Record<string, (level: number) => Tensor4D> = {
        noise: (level) => picture((x, y, c) => wave(x, y, c) + 0.1 * level * noise[(y * side + x) * 3 + c]!),
        blur: (level) => picture(softened(level)),
        shift: (level) => picture((x, y, c) => wave(x + level, y, c)),
      };
      const original = picture(wave);
      for (const [name, ladder] of Object.entries(ladders)) {
        let before = -1e-9;
        for (const level of [0, 1, 2, 3]) {
          const value = (await lpips(params, ladder(level), original).data())[0]!;
          expect(value, `${name} at level ${level}`).toBeGreaterThan(before);
          if (level === 0) expect(value).toBeLessThan(1e-12);
          before = value;
        }
      }
    });
  });

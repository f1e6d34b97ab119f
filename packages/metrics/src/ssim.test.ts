import {
  add,
  avgPool,
  clipByValue,
  concat,
  gather,
  mul,
  slice,
  tensor,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import { Random } from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { expect, it } from "vitest";
import { msSsimPerFrame, ssimPerFrame, type SsimOptions } from "./ssim.js";

/** Smooth waves with some texture, in [0.1, 0.9]. */
function picture(height: number, width: number, frames = 1, seed = 1): Tensor4D {
  const noise = new Random(seed).normals(frames * height * width * 3);
  const values = noise.map((value, i) => {
    const [c, x, y, t] = [
      i % 3,
      Math.floor(i / 3) % width,
      Math.floor(i / (3 * width)) % height,
      Math.floor(i / (3 * width * height)),
    ];
    return 0.5 + 0.3 * Math.sin(x / 5 + c + t) * Math.cos(y / 7 - t) + 0.02 * value;
  });
  return tensor(values, [frames, height, width, 3]);
}

async function read(made: Tensor): Promise<number[]> {
  const values = [...(await made.data())];
  made.dispose();
  return values;
}

/** The definition in double precision, position by position. */
async function reference(a: Tensor4D, b: Tensor4D): Promise<number> {
  const [, height, width, channels] = a.shape;
  const [x, y] = [await a.data(), await b.data()];
  const tap = Array.from({ length: 11 }, (_, i) => Math.exp(-((i - 5) ** 2) / 4.5));
  const total = tap.reduce((sum, value) => sum + value, 0);
  let mean = 0;
  for (let c = 0; c < channels; c++)
    for (let row = 0; row + 11 <= height; row++)
      for (let column = 0; column + 11 <= width; column++) {
        let [mx, my, xx, yy, xy] = [0, 0, 0, 0, 0];
        for (let i = 0; i < 11; i++)
          for (let j = 0; j < 11; j++) {
            const weight = (tap[i]! * tap[j]!) / total ** 2;
            const at = ((row + i) * width + column + j) * channels + c;
            mx += weight * x[at]!;
            my += weight * y[at]!;
            xx += weight * x[at]! ** 2;
            yy += weight * y[at]! ** 2;
            xy += weight * x[at]! * y[at]!;
          }
        const [vx, vy, cov] = [xx - mx * mx, yy - my * my, xy - mx * my];
        const value = ((2 * mx * my + 1e-4) * (2 * cov + 9e-4)) / ((mx * mx + my * my + 1e-4) * (vx + vy + 9e-4));
        mean += value / (channels * (height - 10) * (width - 10));
      }
  return mean;
}

const measures: readonly (readonly [string, (a: Tensor4D, b: Tensor4D, options?: SsimOptions) => Tensor1D])[] = [
  ["SSIM", ssimPerFrame],
  ["MS-SSIM", msSsimPerFrame],
];

describeEachBackend("structural similarity", (backend) => {
  it("SSIM is the definition, position by position", async () => {
    const a = picture(16, 21);
    const b = add(mul(a, 0.8), mul(picture(16, 21, 1, 2), 0.1)) as Tensor4D;
    expect((await read(ssimPerFrame(a, b)))[0]).toBeCloseTo(await reference(a, b), 6);
  });

  const [height, width] = [176, 181];
  for (const [name, measure] of measures) {
    const slow = name === "MS-SSIM" && backend === "cpu";
    const note = slow ? " (skipped: plain JavaScript takes half a minute)" : "";

    it.skipIf(slow)(
      `${name} of equal frames is 1, and less the stronger the noise${note}`,
      { timeout: 240_000 },
      async () => {
        const a = picture(height, width, 2);
        const noise = new Random(4).normalTensor([2, height, width, 3]);
        for (const score of await read(measure(a, a))) expect(score).toBeCloseTo(1, 6);
        let before = [1, 1];
        for (const level of [0.01, 0.05, 0.2]) {
          const scores = await read(measure(a, clipByValue(add(a, mul(noise, level)), 0, 1) as Tensor4D));
          scores.forEach((score, frame) => expect(score).toBeLessThan(before[frame]!));
          before = scores;
        }
        expect(before[0]).toBeLessThan(0.9);
      },
    );

    it.skipIf(backend === "cpu")(
      `${name} falls the stronger a blur and the farther a shift${backend === "cpu" ? " (skipped: plain JavaScript takes half a minute)" : ""}`,
      async () => {
        const a = picture(height, width);
        const moved = (pixels: number): Tensor4D =>
          concat([slice(a, [0, 0, pixels, 0], [-1, -1, -1, -1]), slice(a, [0, 0, 0, 0], [-1, -1, pixels, -1])], 2);
        const blurred = (size: number): Tensor4D => avgPool(a, size, 1, "same");
        for (const ladder of [[1, 2, 4].map(moved), [3, 5, 9].map(blurred)]) {
          const scores = [1, ...(await Promise.all(ladder.map(async (b) => (await read(measure(a, b)))[0]!)))];
          expect(scores).toEqual([...scores].sort((x, y) => y - x));
          expect(scores.at(-1)).toBeLessThan(0.98);
        }
      },
    );

    it.skipIf(backend === "cpu")(
      `${name} falls the more frames are frozen or out of order${backend === "cpu" ? " (skipped: plain JavaScript takes half a minute)" : ""}`,
      async () => {
        const wide = picture(height, width + 4);
        const clip = concat([0, 1, 2, 3].map((t) => slice(wide, [0, 0, t, 0], [1, height, width, 3])));
        const mean = async (order: readonly number[]): Promise<number> => {
          const other = gather(clip, tensor([...order], [4], "int32"));
          const scores = await read(measure(clip, other));
          return scores.reduce((sum, score) => sum + score, 0) / 4;
        };
        for (const ladder of [
          [
            [0, 1, 2, 2],
            [0, 1, 1, 1],
            [0, 0, 0, 0],
          ],
          [
            [0, 1, 3, 2],
            [0, 2, 3, 1],
            [1, 2, 3, 0],
          ],
        ]) {
          let before = 1 - 1e-6;
          for (const order of ladder) {
            const score = await mean(order);
            expect(score).toBeLessThan(before);
            before = score;
          }
        }
      },
    );

    it.skipIf(slow)(
      `${name} is the same in both directions and in every range of values${note}`,
      { timeout: 60_000 },
      async () => {
        const [a, b] = [picture(height, width), picture(height, width, 1, 3)];
        const [score] = await read(measure(a, b));
        expect((await read(measure(b, a)))[0]).toBeCloseTo(score!, 6);
        const bytes = (await read(measure(mul(a, 255), mul(b, 255), { dataRange: 255 })))[0]!;
        expect(bytes).toBeCloseTo(score!, 5);
      },
    );

    it.skipIf(slow)(`${name} leaves nothing behind${note}`, () => {
      const [a, b] = [picture(height, width), picture(height, width, 1, 3)];
      expectNoLeak(() => measure(a, b).dispose());
    });
  }

  it("frames too small for the window are refused with both sizes", () => {
    expect(() => ssimPerFrame(picture(10, 30), picture(10, 30))).toThrow("at least 11x11 for SSIM, got 30x10");
    expect(() => msSsimPerFrame(picture(175, 200), picture(175, 200))).toThrow("at least 176x176 for MS-SSIM");
    expect(() => ssimPerFrame(picture(12, 30), picture(12, 31))).toThrow("got [1, 12, 31, 3]");
  });

  it("MS-SSIM of a flat frame and its negative around grey stays within 0 to 1", async () => {
    const a = picture(176, 176);
    const [score] = await read(msSsimPerFrame(a, add(mul(a, -1), 1) as Tensor4D));
    expect(score).toBeGreaterThanOrEqual(0);
    expect(score).toBeLessThan(0.5);
  });
});

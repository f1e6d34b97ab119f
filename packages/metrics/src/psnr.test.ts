import { add, mul, sub, tensor, type Tensor4D } from "@tensorflow/tfjs-core";
import { isCoordTokError, Random, type RgbClip } from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { describe, expect, it } from "vitest";
import { psnr, psnrOfRgb, psnrPerFrame } from "./psnr.js";

const size = { frameCount: 3, height: 4, width: 5 };
const valueCount = size.frameCount * size.height * size.width * 3;

function randomClip(random: Random): RgbClip {
  return { ...size, data: Uint8Array.from({ length: valueCount }, () => random.integer(256)) };
}

/** A clip that differs from another by `steps[frame]` in every value of each frame. */
function shifted(clip: RgbClip, steps: readonly number[]): RgbClip {
  const perFrame = clip.data.length / clip.frameCount;
  return {
    ...clip,
    data: clip.data.map((byte, i) => {
      const step = steps[Math.floor(i / perFrame)]!;
      return byte + step > 255 ? byte - step : byte + step;
    }),
  };
}

function unitTensor(clip: RgbClip): Tensor4D {
  return tensor(
    Float32Array.from(clip.data, (byte) => byte / 255),
    [clip.frameCount, clip.height, clip.width, 3],
  );
}

const decibels = (error: number): number => 10 * Math.log10(255 ** 2 / error);

describe("PSNR of bytes", () => {
  it("a clip has one mean squared error over all its frames", () => {
    const clip = randomClip(new Random(1));
    const { clipDb, framesDb } = psnrOfRgb(clip, shifted(clip, [1, 2, 3]));
    expect(clipDb).toBeCloseTo(decibels((1 + 4 + 9) / 3), 10);
    expect(framesDb.map((db) => db.toFixed(8))).toEqual([1, 4, 9].map((error) => decibels(error).toFixed(8)));
    expect(clipDb).toBeLessThan(framesDb.reduce((sum, db) => sum + db, 0) / 3);
  });

  it("identical clips have an infinite PSNR and frames of 100 dB", () => {
    const clip = randomClip(new Random(2));
    expect(psnrOfRgb(clip, clip)).toEqual({ clipDb: Infinity, framesDb: [100, 100, 100] });
  });

  it("clips of different sizes are refused in one sentence that names both", () => {
    const clip = randomClip(new Random(3));
    const other = { ...clip, height: 5, width: 4 };
    expect(() => psnrOfRgb(clip, other)).toThrow("got 3 frames of 5x4 and 3 frames of 4x5");
    try {
      psnrOfRgb(clip, { ...clip, data: clip.data.subarray(1) });
      expect.unreachable();
    } catch (thrown) {
      expect(isCoordTokError(thrown) && thrown.code).toBe("shape");
    }
  });
});

describeEachBackend("PSNR of tensors", () => {
  it("equals that of the bytes, per clip and per frame", async () => {
    const clip = randomClip(new Random(4));
    const other = shifted(clip, [1, 30, 0]);
    const expected = psnrOfRgb(clip, other);
    const [a, b] = [unitTensor(clip), unitTensor(other)];
    await expectNoLeak(async () => {
      const results = [psnr(a, b), psnrPerFrame(a, b)];
      const [whole, frames] = await Promise.all(results.map((result) => result.data()));
      for (const result of results) result.dispose();
      expect(whole![0]).toBeCloseTo(expected.clipDb, 3);
      frames!.forEach((db, frame) => expect(db).toBeCloseTo(expected.framesDb[frame]!, 3));
      expect(frames![2]).toBe(100);
    });
    for (const made of [a, b]) made.dispose();
  });

  it("values in model range give the same with a data range of 2", async () => {
    const random = new Random(5);
    const [a, b] = [random.uniformTensor([2, 4, 4, 3], 0, 1), random.uniformTensor([2, 4, 4, 3], 0, 1)] as Tensor4D[];
    const unit = await psnr(a!, b!).data();
    const model = await psnr(sub(mul(a!, 2), 1), sub(mul(b!, 2), 1), { dataRange: 2 }).data();
    expect(model[0]).toBeCloseTo(unit[0]!, 4);
  });

  it("the mean over many values does not drift", async () => {
    // A serial float32 sum of 2^22 values of 0.01 is off by several percent.
    const random = new Random(6);
    const a = random.uniformTensor([16, 256, 256, 3], 0, 0.5);
    const b: Tensor4D = add(a, 0.1);
    expect((await psnr(a, b).data())[0]).toBeCloseTo(20, 3);
    a.dispose();
    b.dispose();
  });

  it("tensors of different shapes are refused", () => {
    const random = new Random(7);
    const [a, b] = [random.uniformTensor([1, 4, 4, 3], 0, 1), random.uniformTensor([1, 4, 5, 3], 0, 1)];
    expect(() => psnr(a, b)).toThrow("got [1, 4, 5, 3]");
  });
});

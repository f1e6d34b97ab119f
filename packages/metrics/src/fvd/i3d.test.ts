import { concat, memory, mul, slice, tensor, tidy, type Tensor, type Tensor5D } from "@tensorflow/tfjs-core";
import { Random, type RgbFrame } from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { describe, expect, it } from "vitest";
import { fvdFeatures } from "./features.js";
import { i3d } from "./i3d.js";
import { disposeI3dParams, i3dParamsFromStateDict, type I3dParams } from "./i3d-params.js";
import { fvdPreprocess } from "./preprocess.js";
import { randomI3dParams, randomI3dStateDict } from "./random-i3d.js";

function stateDict(classes = 7): Map<string, Tensor> {
  return randomI3dStateDict(new Random(1), classes);
}

function randomParams(): I3dParams {
  return randomI3dParams(new Random(1), 7);
}

/** Frames of a pattern that moves by `speed` columns a frame. */
function frames(count: number, width = 32, height = 24, speed = 1): RgbFrame[] {
  return Array.from({ length: count }, (_, t) => ({
    width,
    height,
    timestampSeconds: t / 30,
    data: Uint8Array.from({ length: width * height * 3 }, (_, i) => {
      const x = (Math.floor(i / 3) + t * speed) % width;
      return (x * 37 + (i % 3) * 60 + Math.floor(i / (3 * width)) * 11) % 256;
    }),
  }));
}

async function collect(vectors: AsyncIterable<Float32Array>): Promise<Float32Array[]> {
  const all: Float32Array[] = [];
  for await (const vector of vectors) all.push(vector);
  return all;
}

describeEachBackend("I3D", (backend) => {
  const slow = backend === "cpu";
  const note = slow ? " (skipped: plain JavaScript takes minutes for a window of 224x224 frames)" : "";
  describe.skipIf(slow)(`of whole windows${note}`, () => {
    it(
      "gives one row per clip, of the classes or of 1024 features, and clips do not see each other",
      { timeout: 240_000 },
      async () => {
        const params = randomParams();
        const clips = new Random(2).uniformTensor([2, 9, 200, 224, 3], -1, 1) as Tensor5D;
        const logits = i3d(params, clips);
        const pooled = i3d(params, clips, "pooled");
        const alone = tidy(() => i3d(params, slice(clips, [1, 0, 0, 0, 0], [1, 9, 200, 224, 3]) as Tensor5D));
        expect([logits.shape, pooled.shape]).toEqual([
          [2, 7],
          [2, 1024],
        ]);
        const [both, second] = [await logits.data(), await alone.data()];
        second.forEach((value, i) => expect(value).toBeCloseTo(both[7 + i]!, 3));
        for (const made of [clips, logits, pooled, alone]) made.dispose();
        disposeI3dParams(params);
      },
    );

    it(
      "windows of a stream give a vector each, an incomplete one is dropped, and no tensor stays behind",
      { timeout: 240_000 },
      async () => {
        await expectNoLeak(async () => {
          const params = randomParams();
          const seen: number[] = [];
          const options = { windowLength: 9, onProgress: ({ done }: { done: number }) => seen.push(done) };
          const vectors = await collect(fvdFeatures(params, frames(20), options));
          expect(vectors.map(({ length }) => length)).toEqual([7, 7]);
          expect(seen).toEqual([1, 2]);
          const [again] = await collect(fvdFeatures(params, frames(20).slice(9), options));
          expect(again).toEqual(vectors[1]);
          const [other] = await collect(fvdFeatures(params, frames(9, 32, 24, 3), options));
          expect(other).not.toEqual(vectors[0]);
          disposeI3dParams(params);
        });
      },
    );

    it("an abort stops between frames and leaves nothing", { timeout: 60_000 }, async () => {
      const params = randomParams();
      const before = memory().numTensors;
      const control = new AbortController();
      const vectors = fvdFeatures(params, frames(30), {
        windowLength: 9,
        signal: control.signal,
        onProgress: () => control.abort(),
      });
      await expect(collect(vectors)).rejects.toThrow("Stopped on request");
      expect(memory().numTensors).toBe(before);
      disposeI3dParams(params);
    });
  });

  it("frames of another size and clips that are too short are refused", { timeout: 60_000 }, () => {
    const params = randomParams();
    const made = mul(new Random(1).uniformTensor([1, 9, 64, 64, 3], 0, 1), 1) as Tensor5D;
    expect(() => i3d(params, made)).toThrow("got 9 frames of 64x64; pass them through fvdPreprocess");
  });
});

describe("weights of I3D", () => {
  it("a missing, unknown or misshapen tensor is named and nothing is made", { timeout: 60_000 }, () => {
    const complete = stateDict();
    const counts: [string, Tensor] = ["Mixed_3b.b0.bn.num_batches_tracked", tensor([5])];
    disposeI3dParams(i3dParamsFromStateDict(new Map([...complete, counts])));
    const before = memory().numTensors;
    const without = new Map(complete);
    without.delete("Mixed_4e.b2b.bn.running_var");
    expect(() => i3dParamsFromStateDict(without)).toThrow('"Mixed_4e.b2b.bn.running_var" is missing');
    const more = new Map([...complete, ["Mixed_6a.b0.conv3d.weight", counts[1]] as const]);
    expect(() => i3dParamsFromStateDict(more)).toThrow('"Mixed_6a.b0.conv3d.weight" is unknown');
    const wrong = Object.fromEntries([...complete, ["Conv3d_2b_1x1.bn.bias", counts[1]] as const]);
    expect(() => i3dParamsFromStateDict(wrong)).toThrow(
      '"Conv3d_2b_1x1.bn.bias" has shape [1] instead of [64]; use a PyTorch port',
    );
    expect(() => i3dParamsFromStateDict({})).toThrow("more problems");
    expect(memory().numTensors).toBe(before);
  });
});

describeEachBackend("frames for I3D", () => {
  it("the long side is rounded up, the crop's offsets down, black is -1 and white 1", async () => {
    // 10x15 columns of which the left half is white: at side 7 the resize gives 7x11 and the crop leaves out two columns left and right.
    const white = tensor(
      Float32Array.from({ length: 450 }, (_, i) => (Math.floor(i / 3) % 15 < 7 ? 255 : 0)),
      [1, 1, 10, 15, 3],
    ) as Tensor5D;
    await expectNoLeak(async () => {
      const made = fvdPreprocess(white, 7);
      expect(made.shape).toEqual([1, 1, 7, 7, 3]);
      const row = (await made.data()).filter((_, i) => i < 21 && i % 3 === 0);
      expect([...row.slice(0, 2)]).toEqual([1, 1]);
      expect([...row.slice(4)]).toEqual([-1, -1, -1]);
      made.dispose();
    });
    white.dispose();
  });

  it("a short side with an inexact quotient is resized exactly to the requested size", () => {
    const made = fvdPreprocess(tensor(new Float32Array(49 * 49 * 3), [1, 1, 49, 49, 3]) as Tensor5D, 57);
    expect(made.shape).toEqual([1, 1, 57, 57, 3]);
    expect(concat([made, made]).shape[0]).toBe(2);
  });
});

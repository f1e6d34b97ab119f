import { clipFromRgb, disposeTree } from "@coordtok/core";
import { disposeTriplane, tokenCount, triplaneShape } from "@coordtok/triplane";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { fill, type Tensor, type Tensor5D } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CoordTok, encodeTokenizer, overrideConfig, preset } from "./index.js";
import { bytesOf, rampClip } from "./testdata.js";

const config = preset("test");

async function values(tensor: Tensor): Promise<number[]> {
  return [...(await tensor.data())];
}

async function decoded(tokenizer: CoordTok, options: Parameters<CoordTok["decode"]>[1]): Promise<number[]> {
  const clip = clipFromRgb([rampClip()]);
  const triplane = tokenizer.encode(clip);
  const out = await tokenizer.decode(triplane, options);
  const result = await values(out.frames);
  disposeTree([clip.frames, triplane, out.frames]);
  return result;
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);
}

describeEachBackend("CoordTok", () => {
  let tokenizer: CoordTok;
  beforeAll(() => {
    tokenizer = CoordTok.create(config, { seed: 3 });
  });
  afterAll(() => {
    tokenizer.dispose();
  });

  it("encodes and decodes without leaving a tensor behind", async () => {
    await expectNoLeak(async () => decoded(tokenizer, { sliceSize: 100 }));
    expectNoLeak(() => {
      CoordTok.create(config).dispose();
    });
  });

  it("makes planes of the configured size", () => {
    const clip = clipFromRgb([rampClip(), rampClip({ seed: 2 })]);
    const triplane = tokenizer.encode(clip);
    expect(triplaneShape(triplane)).toEqual({ batch: 2, time: 8, rows: 8, columns: 8, channels: 4 });
    expect(tokenCount(triplaneShape(triplane))).toBe(192);
    disposeTree([clip.frames, triplane]);
  });

  it("gives the same weights for the same seed", async () => {
    const again = CoordTok.create(config, { seed: 3 });
    expect(await decoded(again, {})).toEqual(await decoded(tokenizer, {}));
    again.dispose();
  });

  it("decodes any frames in any order, equal to the same frames of a decode in slices of one frame", async () => {
    const perFrame = 16;
    const frameValues = 32 * 32 * 3;
    const all = await decoded(tokenizer, { sliceSize: perFrame });
    const some = await decoded(tokenizer, { times: [9, 2, 9], sliceSize: perFrame });
    const expected = [9, 2, 9].flatMap((t) => all.slice(t * frameValues, (t + 1) * frameValues));
    expect(largestDifference(some, expected)).toBeLessThan(1e-5);
  });

  it("decodes every patch at any slice size", async () => {
    for (const sliceSize of [1, 7, 255, 1000]) {
      const all = await decoded(tokenizer, { sliceSize, times: [0, 1] });
      expect(all.length).toBe(2 * 32 * 32 * 3);
      expect(all.every((value) => value !== 0)).toBe(true);
    }
  });

  it("decodes a rectangle, equal to that part of the frame when each patch is a slice of its own", async () => {
    const whole = await decoded(tokenizer, { times: [5], sliceSize: 1 });
    const part = await decoded(tokenizer, {
      times: [5],
      sliceSize: 1,
      rectangle: { top: 5, left: 10, height: 9, width: 17 },
    });
    const expected = Array.from({ length: 9 * 17 * 3 }, (_, i) => {
      const row = 5 + Math.floor(i / (17 * 3));
      const column = 10 + (Math.floor(i / 3) % 17);
      return whole[(row * 32 + column) * 3 + (i % 3)]!;
    });
    expect(largestDifference(part, expected)).toBeLessThan(1e-5);
  });

  it("decodes a rectangle with the patches around it, with enough of them to the pixels of whole frames", async () => {
    const whole = await decoded(tokenizer, { times: [5], sliceSize: 16 });
    const rectangle = { top: 1, left: 25, height: 6, width: 5 };
    const expected = Array.from({ length: 6 * 5 * 3 }, (_, i) => {
      const [row, column] = [1 + Math.floor(i / 15), 25 + (Math.floor(i / 3) % 5)];
      return whole[(row * 32 + column) * 3 + (i % 3)]!;
    });
    const distance = async (context: number | undefined): Promise<number> =>
      largestDifference(await decoded(tokenizer, { times: [5], sliceSize: 16, rectangle, context }), expected);
    // The frame has 4 x 4 patches, so the default reaches all of it.
    expect(await distance(undefined)).toBeLessThan(1e-5);
    expect(await distance(3)).toBeLessThan(1e-5);
    expect(await distance(0)).toBeGreaterThan(1e-4);
    await expect(distance(-1)).rejects.toThrow("context");
  });

  it("decodes times between frames, close to a frame when the time is close to it", async () => {
    const [at, near, between] = await Promise.all(
      [[4], [4.002], [4.5]].map((times) => decoded(tokenizer, { times, sliceSize: 16 })),
    );
    expect(largestDifference(at!, near!)).toBeLessThan(0.02);
    expect(largestDifference(at!, between!)).toBeGreaterThan(0.001);
  });

  it("refuses frames and rectangles outside the clip in one sentence", async () => {
    await expect(decoded(tokenizer, { times: [16] })).rejects.toThrow("Expected frame positions of 0 to 15, got 16.");
    await expect(decoded(tokenizer, { rectangle: { top: 30, left: 0, height: 4, width: 4 } })).rejects.toThrow(
      /rectangle/,
    );
  });

  it("does not depend on the values of padding frames", async () => {
    const short = clipFromRgb([rampClip({ frameCount: 5 })]);
    const padded = clipFromRgb([rampClip({ frameCount: 5 }), rampClip({ seed: 9 })]);
    const one = tokenizer.encode(short);
    const batch = tokenizer.encode(padded);
    const first = (await values(batch.xy)).slice(0, one.xy.size);
    expect(largestDifference(await values(one.xy), first)).toBeLessThan(2e-5);
    disposeTree([short.frames, padded.frames, one, batch]);
  });

  it("refuses clips of another size", () => {
    const frames: Tensor5D = fill([1, 4, 16, 32, 3], 0);
    expect(() => tokenizer.encode({ frames, validFrames: [4] })).toThrow(/Expected frames of 32x32.*got 32x16/);
    disposeTree([frames]);
  });

  it("takes frames that are not square", async () => {
    const wide = CoordTok.create(overrideConfig(config, ["clip.width=48", "planes.columns=12"]), { seed: 1 });
    const clip = clipFromRgb([rampClip({ width: 48, frameCount: 7 })]);
    const triplane = wide.encode(clip);
    const out = await wide.decode(triplane, { times: [0, 6] });
    expect(out.frames.shape).toEqual([1, 2, 32, 48, 3]);
    disposeTree([clip.frames, out.frames]);
    disposeTriplane(triplane);
    wide.dispose();
  });

  it("is unchanged by writing and reading a checkpoint", async () => {
    const bytes = await bytesOf(encodeTokenizer(config, tokenizer.params));
    const loaded = await CoordTok.load(bytes);
    expect(loaded.config).toEqual(config);
    expect(await decoded(loaded, { times: [3] })).toEqual(await decoded(tokenizer, { times: [3] }));
    loaded.dispose();
    await expect(CoordTok.load(bytes.subarray(0, bytes.length - 8))).rejects.toThrow();
  });

  it("stops on request", async () => {
    const stop = new AbortController();
    stop.abort();
    await expect(decoded(tokenizer, { signal: stop.signal })).rejects.toMatchObject({ code: "aborted" });
  });

  it("stops in the middle of a slice, and tells how much of it is done", async () => {
    const many = CoordTok.create(overrideConfig(config, ["decoder.patch.space=2"]), { seed: 3 });
    const stop = new AbortController();
    const told: number[] = [];
    const onProgress = ({ done }: { readonly done: number }): void => {
      told.push(done);
      if (done > 1000) stop.abort();
    };
    await expect(decoded(many, { sliceSize: 4096, signal: stop.signal, onProgress })).rejects.toMatchObject({
      code: "aborted",
    });
    expect(told.at(-1)).toBeGreaterThan(1000);
    expect(told.at(-1)).toBeLessThan(3000);
    many.dispose();
  });
});

// The training entry registers the gradients of tfjs operations.
import "@coordtok/core/train";
import { clipFromRgb, disposeTree, Random, treeEntries, type Clip } from "@coordtok/core";
import { mapPlanes, planeNames, triplaneShape, type Triplane } from "@coordtok/triplane";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { grads, mul, sum, tensor, type Rank, type Tensor, type Tensor4D, type Tensor5D } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { rampClip, stateDictFile } from "../testdata.js";
import { keepChannels } from "./budget.js";
import type { LatticeConfig } from "./config.js";
import { decodeLattice, type LatticeDecodeOptions } from "./decode.js";
import { encodeLattice } from "./encoder.js";
import { padToBlocks } from "./padding.js";
import { createLatticeParams, type LatticeParams } from "./params.js";
import { latticeFromStateDict, stateDictFromLattice } from "./state-dict.js";

const config: LatticeConfig = {
  form: "lattice",
  width: 32,
  heads: 2,
  videoLayers: 1,
  latentLayers: 1,
  decoderLayers: 2,
  channels: 6,
};

async function values(tensor: Tensor): Promise<number[]> {
  return [...(await tensor.data())];
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);
}

/** Random planes of 4 blocks in time, 3 in rows and 5 in columns: 16 frames of 40x24. */
function randomPlanes(channels = config.channels, clips = 1): Triplane {
  const random = new Random(5);
  const shapes = { xy: [clips, 3, 5, channels], yt: [clips, 4, 5, channels], xt: [clips, 4, 3, channels] } as const;
  return mapPlanes((plane) => random.normalTensor<Rank.R4>([...shapes[plane]]));
}

describeEachBackend("the lattice form", () => {
  let params: LatticeParams;
  let planes: Triplane;
  beforeAll(() => {
    params = createLatticeParams(config, 3);
    planes = randomPlanes();
  });
  afterAll(() => {
    disposeTree([params, planes]);
  });

  async function decoded(options: LatticeDecodeOptions = {}): Promise<{ shape: number[]; data: number[] }> {
    const { frames } = await decodeLattice(params.decoder, config, planes, options);
    const data = await values(frames);
    frames.dispose();
    return { shape: frames.shape, data };
  }

  const frameValues = 24 * 40 * 3;

  it("one block, one frame and any set of frames have the bits of the whole decode", async () => {
    const whole = await decoded();
    expect(whole.shape).toEqual([1, 16, 24, 40, 3]);
    for (const times of [[4, 5, 6, 7], [11], [15, 0, 9, 0]]) {
      const some = await decoded({ times });
      expect(some.data).toEqual(times.flatMap((t) => whole.data.slice(t * frameValues, (t + 1) * frameValues)));
    }
  });

  it("a rectangle has the bits of that part of the whole frame", async () => {
    const whole = await decoded({ times: [6] });
    const part = await decoded({ times: [6], rectangle: { top: 5, left: 11, height: 9, width: 17 } });
    const expected = Array.from({ length: 9 * 17 * 3 }, (_, i) => {
      const row = 5 + Math.floor(i / (17 * 3));
      const column = 11 + (Math.floor(i / 3) % 17);
      return whole.data[(row * 40 + column) * 3 + (i % 3)]!;
    });
    expect(part.data).toEqual(expected);
  });

  it("a clip of any size is padded by repetition, and cropped to its size after decoding", async () => {
    const clip = clipFromRgb([rampClip({ frameCount: 7, height: 19, width: 33 })]);
    const triplane = encodeLattice(params.encoder, config, clip);
    expect(triplaneShape(triplane)).toEqual({ batch: 1, time: 2, rows: 3, columns: 5, channels: 6 });
    const size = { frames: 7, height: 19, width: 33 };
    const whole = await decodeLattice(params.decoder, config, triplane);
    const cut = await decodeLattice(params.decoder, config, triplane, { size });
    expect(cut.frames.shape).toEqual([1, 7, 19, 33, 3]);
    const [all, some] = [await values(whole.frames), await values(cut.frames)];
    const expected = some.map((_, i) => {
      const [colour, column] = [i % 3, Math.floor(i / 3) % 33];
      const [row, t] = [Math.floor(i / (3 * 33)) % 19, Math.floor(i / (3 * 33 * 19))];
      return all[((t * 24 + row) * 40 + column) * 3 + colour]!;
    });
    expect(some).toEqual(expected);
    disposeTree([clip.frames, triplane, whole.frames, cut.frames]);
  });

  it("padding repeats the last valid frame, the last row and the last column", async () => {
    const frames: Tensor5D = tensor(
      Array.from({ length: 2 * 3 * 2 * 2 * 3 }, (_, i) => i),
      [2, 3, 2, 2, 3],
    );
    const padded = padToBlocks({ frames, validFrames: [2, 3] });
    expect(padded.shape).toEqual([2, 4, 8, 8, 3]);
    const data = await values(padded);
    const at = (clip: number, t: number, x: number, y: number): number => data[(((clip * 4 + t) * 8 + x) * 8 + y) * 3]!;
    const original = (clip: number, t: number, x: number, y: number): number => (((clip * 3 + t) * 2 + x) * 2 + y) * 3;
    expect([at(0, 1, 1, 0), at(0, 3, 7, 0), at(0, 2, 0, 7)]).toEqual([
      original(0, 1, 1, 0),
      original(0, 1, 1, 0),
      original(0, 1, 0, 1),
    ]);
    expect([at(1, 3, 0, 0), at(1, 2, 7, 7)]).toEqual([original(1, 2, 0, 0), original(1, 2, 1, 1)]);
    disposeTree([frames, padded]);
  });

  it("values after the valid frames have no effect", async () => {
    const long = clipFromRgb([rampClip({ frameCount: 8 })]);
    const short = clipFromRgb([rampClip({ frameCount: 5 })]);
    const [a, b] = [
      encodeLattice(params.encoder, config, { frames: long.frames, validFrames: [5] }),
      encodeLattice(params.encoder, config, short),
    ];
    for (const plane of planeNames)
      expect(largestDifference(await values(a[plane]), await values(b[plane]))).toBeLessThan(1e-6);
    disposeTree([long.frames, short.frames, a, b]);
  });

  it("a batch gives the planes of its clips", async () => {
    const [first, second] = [rampClip({ frameCount: 8 }), rampClip({ frameCount: 8, seed: 4 })];
    const batch = clipFromRgb([first, second]);
    const together = encodeLattice(params.encoder, config, batch);
    const one = clipFromRgb([second]);
    const alone = encodeLattice(params.encoder, config, one);
    const all = await values(together.xt);
    expect(largestDifference(all.slice(all.length / 2), await values(alone.xt))).toBeLessThan(2e-5);
    disposeTree([batch.frames, one.frames, together, alone]);
  });

  it("a budget keeps the first channels, one budget for all clips or one for each", async () => {
    const two = randomPlanes(6, 2);
    const kept = keepChannels(two, [
      { content: 2, motion: 0 },
      { content: 6, motion: 5 },
    ]);
    const same = keepChannels(two, { content: 2, motion: 0 });
    for (const plane of planeNames) {
      const [before, after, other] = [await values(two[plane]), await values(kept[plane]), await values(same[plane])];
      const half = before.length / 2;
      const [first, second] = plane === "xy" ? [2, 6] : [0, 5];
      expect(after.map(Math.abs)).toEqual(
        before.map((value, i) => (i % 6 < (i < half ? first : second) ? Math.abs(value) : 0)),
      );
      expect(other.slice(0, half)).toEqual(after.slice(0, half));
    }
    disposeTree([two, kept, same]);
  });

  it("no gradient reaches a channel beyond the budget", async () => {
    const [gradient] = grads((xy) => {
      const kept = keepChannels({ ...planes, xy: xy as Tensor4D }, { content: 2, motion: 1 });
      return sum(mul(kept.xy, kept.xy));
    })([planes.xy]);
    const data = await values(gradient!);
    expect(data.some((value, i) => i % 6 < 2 && value !== 0)).toBe(true);
    expect(data.every((value, i) => i % 6 < 2 || value === 0)).toBe(true);
    gradient!.dispose();
  });

  it("encoding, budgets and decoding leave no tensor behind", async () => {
    await expectNoLeak(async () => {
      const clip = clipFromRgb([rampClip({ frameCount: 5, height: 10, width: 17 })]);
      const triplane = encodeLattice(params.encoder, config, clip);
      const kept = keepChannels(triplane, { content: 3, motion: 1 });
      const out = await decodeLattice(params.decoder, config, kept, { times: [4] });
      disposeTree([clip.frames, triplane, kept, out.frames]);
    });
  });

  it("is unchanged by converting to the names of the reference and back", async () => {
    const theirs = await stateDictFromLattice(config, params);
    const back = await latticeFromStateDict(config, await stateDictFile(theirs));
    const [mine, again] = [treeEntries(params), treeEntries(back)];
    expect(again.map(([path]) => path)).toEqual(mine.map(([path]) => path));
    for (const [i, [, leaf]] of mine.entries()) expect(await values(again[i]![1])).toEqual(await values(leaf));
    const { "video.patch.bias": left, ...rest } = Object.fromEntries(theirs);
    const incomplete = await stateDictFile(new Map(Object.entries(rest)));
    await expect(latticeFromStateDict(config, incomplete)).rejects.toThrow("1 missing (video.patch.bias)");
    expect(left?.shape).toEqual([32]);
    disposeTree([back, ...theirs.values()]);
  });

  it("refuses input that does not fit with one sentence, and leaves no tensor behind", async () => {
    await expectNoLeak(async () => {
      expect(() => keepChannels(planes, { content: 7, motion: 0 })).toThrow(
        "Expected content to be a whole number of channels from 0 to the 6 of the planes, got 7.",
      );
      expect(() => keepChannels(planes, [])).toThrow("Expected one budget for each of 1 clips, got 0.");
      const empty = { frames: tensor([], [1, 0, 8, 8, 3]), validFrames: [0] } as Clip;
      expect(() => encodeLattice(params.encoder, config, empty)).toThrow(/at least one frame.*\[1, 0, 8, 8, 3\]/);
      empty.frames.dispose();
      const others = randomPlanes(4);
      await expect(decodeLattice(params.decoder, config, others)).rejects.toThrow(
        /Expected planes of 6 channels.*got 4/,
      );
      disposeTree(others);
      await expect(decoded({ times: [16] })).rejects.toThrow(/whole frame numbers from 0 to 15.*got 16/);
      await expect(decoded({ times: [0.5] })).rejects.toThrow(/whole frame numbers.*got 0.5/);
      await expect(decoded({ size: { frames: 12, height: 24, width: 40 } })).rejects.toThrow(
        "Expected the size of a clip whose planes are those of 16 frames of 40x24, got 12 frames of 40x24.",
      );
      await expect(decoded({ rectangle: { top: 20, left: 0, height: 8, width: 8 } })).rejects.toThrow(/rectangle/);
    });
  });

  it("stops on request", async () => {
    const stop = new AbortController();
    stop.abort();
    await expect(decoded({ signal: stop.signal })).rejects.toMatchObject({ code: "aborted" });
  });
});

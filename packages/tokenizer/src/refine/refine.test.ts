import { clipFromRgb, CoordTokError, disposeTree, type Clip } from "@coordtok/core";
import { psnrOfError } from "../train/index.js";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { mistyped } from "@coordtok/tools/mistyped";
import { mapPlanes, planeNames, type Triplane } from "@coordtok/triplane";
import { clipByValue, fill, mean, squaredDifference, tidy } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { CoordTok } from "../coordtok.js";
import type { LatticeConfig } from "../lattice/config.js";
import { LatticeCoordTok } from "../lattice/lattice-coordtok.js";
import { createLatticeStart } from "../train/index.js";
import type { AnyTokenizer } from "../open-tokenizer.js";
import { preset } from "../presets.js";
import { rampClip } from "../testdata.js";
import { refine } from "./refine.js";

const config: LatticeConfig = {
  form: "lattice",
  width: 32,
  heads: 2,
  videoLayers: 1,
  latentLayers: 1,
  decoderLayers: 1,
  channels: 6,
};
const footage = rampClip({ frameCount: 10, height: 20, width: 30 });

async function latticeTokenizer(): Promise<LatticeCoordTok> {
  return LatticeCoordTok.from(config, await createLatticeStart(config, [footage], 3));
}

/** As a user measures it: decoded, cut to the range that is shown, over the frames of the clip alone. */
async function decodedPsnr(tokenizer: AnyTokenizer, triplane: Triplane, clip: Clip): Promise<number> {
  const [, frames, height, width] = clip.frames.shape;
  const decoded =
    tokenizer.form === "lattice"
      ? await tokenizer.decode(triplane, { size: { frames, height, width } })
      : await tokenizer.decode(triplane, { times: Array.from({ length: frames }, (_, frame) => frame) });
  const error = tidy(() => mean(squaredDifference(clipByValue(decoded.frames, -1, 1), clip.frames)));
  const [value] = await error.data();
  disposeTree([decoded.frames, error]);
  return psnrOfError(value!);
}

async function valuesOf(triplane: Triplane): Promise<number[]> {
  const planes = await Promise.all(planeNames.map((plane) => triplane[plane].data()));
  return planes.flatMap((plane) => [...plane]);
}

describeEachBackend("refinement", () => {
  it("improves the planes of either form to the PSNR that it reports, the same way every time", async () => {
    for (const tokenizer of [await latticeTokenizer(), CoordTok.create(preset("test"), { seed: 1 })]) {
      const clip = tokenizer.form === "lattice" ? clipFromRgb([footage]) : clipFromRgb([rampClip({ frameCount: 11 })]);
      const triplane = tokenizer.encode(clip);
      const given = await valuesOf(triplane);
      const refined = await refine(tokenizer, clip, triplane, { steps: 4 });
      const again = await refine(tokenizer, clip, triplane, { steps: 4 });
      expect(await valuesOf(triplane)).toEqual(given);
      expect(await valuesOf(again.triplane)).toEqual(await valuesOf(refined.triplane));
      expect(refined.steps).toEqual([4]);
      expect(refined.startPsnrDb[0]).toBeCloseTo(await decodedPsnr(tokenizer, triplane, clip), 3);
      expect(refined.psnrDb[0]).toBeCloseTo(await decodedPsnr(tokenizer, refined.triplane, clip), 3);
      expect(refined.psnrDb[0]!).toBeGreaterThan(refined.startPsnrDb[0]! + 0.02);
      disposeTree([clip.frames, triplane, refined.triplane, again.triplane]);
      tokenizer.dispose();
    }
  }, 120_000);

  it("takes each clip of a batch alone, keeps dropped channels at 0 and leaves no tensor behind", async () => {
    using tokenizer = await latticeTokenizer();
    const clips = clipFromRgb([footage, rampClip({ frameCount: 10, height: 20, width: 30, seed: 5 })]);
    const triplane = tokenizer.encode(clips, { budget: { content: 4, motion: 2 } });
    await expectNoLeak(async () => {
      const { triplane: refined, psnrDb } = await refine(tokenizer, clips, triplane, { steps: 2 });
      expect(psnrDb).toHaveLength(2);
      for (const [plane, kept] of [
        ["xy", 4],
        ["yt", 2],
        ["xt", 2],
      ] as const) {
        const values = await refined[plane].data();
        expect(values.every((value, i) => i % 6 < kept || value === 0)).toBe(true);
        expect(values.some((value) => value !== 0)).toBe(true);
      }
      disposeTree(refined);
    });
    disposeTree([clips.frames, triplane]);
  }, 120_000);

  it("never gives less than it was given", async () => {
    using tokenizer = await latticeTokenizer();
    const clip = clipFromRgb([footage]);
    const triplane = tokenizer.encode(clip);
    const given = await valuesOf(triplane);
    // Steps as large as this only do harm.
    const {
      triplane: kept,
      psnrDb,
      startPsnrDb,
    } = await refine(tokenizer, clip, triplane, { steps: 2, learningRate: 1e4, finalLearningRate: 1e4 });
    expect(await valuesOf(kept)).toEqual(given);
    expect(psnrDb).toEqual(startPsnrDb);
    const none = await refine(tokenizer, clip, triplane, { steps: 0 });
    expect(none.psnrDb).toEqual(startPsnrDb);
    disposeTree([clip.frames, triplane, kept, none.triplane]);
  }, 120_000);

  it("ends with what is reached when it is stopped, and after its seconds", async () => {
    using tokenizer = await latticeTokenizer();
    const clip = clipFromRgb([footage]);
    const triplane = tokenizer.encode(clip);
    const stop = new AbortController();
    const seen: number[] = [];
    const onProgress = ({ done, detail }: { done: number; detail?: string }): void => {
      seen.push(done);
      expect(detail).toMatch(/^\d+\.\d\d dB$/);
      if (done === 2) stop.abort();
    };
    const stopped = await refine(tokenizer, clip, triplane, { steps: 50, signal: stop.signal, onProgress });
    expect(seen).toEqual([0, 1, 2]);
    expect(stopped.psnrDb[0]!).toBeGreaterThanOrEqual(stopped.startPsnrDb[0]!);
    const timed = await refine(tokenizer, clip, triplane, { seconds: 0.05 });
    expect(timed.steps[0]!).toBeGreaterThanOrEqual(1);
    disposeTree([clip.frames, triplane, stopped.triplane, timed.triplane]);
  }, 120_000);

  it("rounds planes to multiples of a step, with fewer that are not 0 at a higher price", async () => {
    using tokenizer = await latticeTokenizer();
    const clip = clipFromRgb([footage]);
    const triplane = tokenizer.encode(clip);
    const counts: number[] = [];
    for (const rateWeight of [0, 10]) {
      const { triplane: rounded, psnrDb } = await refine(tokenizer, clip, triplane, {
        steps: 6,
        rounding: { step: 0.125, rateWeight },
      });
      const values = await valuesOf(rounded);
      expect(values.every((value) => Number.isInteger(value * 8))).toBe(true);
      expect(psnrDb[0]).toBeCloseTo(await decodedPsnr(tokenizer, rounded, clip), 3);
      counts.push(values.filter((value) => value !== 0).length);
      disposeTree(rounded);
    }
    expect(counts[1]!).toBeLessThan(0.95 * counts[0]!);
    disposeTree([clip.frames, triplane]);
  }, 120_000);

  it("refuses other clips, numbers that are not finite and options that make no sense, and leaves no tensor behind", async () => {
    using tokenizer = await latticeTokenizer();
    const clip = clipFromRgb([footage]);
    const other = clipFromRgb([rampClip({ frameCount: 16, height: 20, width: 30 })]);
    const triplane = tokenizer.encode(clip);
    const broken = mapPlanes((plane) => fill(triplane[plane].shape, NaN));
    await expectNoLeak(async () => {
      for (const [given, planes, options, message] of [
        [other, triplane, {}, /planes of 4 x 3 x 4 cells .* got 3 x 3 x 4/],
        [clip, broken, {}, /finite numbers to refine/],
        [clip, triplane, { steps: 1, seconds: 1 }, /either a number of steps or of seconds/],
        [clip, triplane, { rounding: { step: 0 } }, /step to be a number above 0, got 0/],
        [clip, triplane, { learningRate: 0.1, finalLearningRate: 1 }, /finalLearningRate to be a number from 0 to 0.1/],
        [clip, triplane, mistyped({ stps: 1 }), /Unknown option "stps" of refine/],
      ] as const) {
        const refused = refine(tokenizer, given, planes, options);
        await expect(refused).rejects.toThrow(message);
        await expect(refused).rejects.toBeInstanceOf(CoordTokError);
      }
    });
    disposeTree([clip.frames, other.frames, triplane, broken]);
  }, 120_000);
});

import { Random, type ProgressEvent, type RgbClip, type RgbFrame } from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { expect, it } from "vitest";
import { disposeLpipsParams } from "./lpips/params.js";
import { networkNames, randomParams } from "./lpips/testdata/random-lpips.js";
import { psnrOfRgb } from "./psnr.js";
import { scoreClip, type ClipScores } from "./score.js";

const [frameCount, height, width] = [6, 48, 52];
const frameValues = height * width * 3;

/** A disc that moves over waves. */
function shade(x: number, y: number, t: number, c: number): number {
  const disc = Math.hypot(x - 12 - 4 * t, y - 20 - t) < 9 ? 60 : 0;
  return 110 + 50 * Math.sin(x / 4 + c) * Math.cos(y / 5 - t / 2) + disc;
}

function clipOf(value: (x: number, y: number, t: number, c: number) => number): RgbClip {
  const data = Uint8ClampedArray.from({ length: frameCount * frameValues }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return value(pixel % width, Math.floor(pixel / width) % height, Math.floor(pixel / (width * height)), i % 3);
  });
  return { data: new Uint8Array(data.buffer), frameCount, height, width };
}

function reordered(clip: RgbClip, order: readonly number[]): RgbClip {
  const data = new Uint8Array(clip.data.length);
  order.forEach((from, to) => {
    data.set(clip.data.subarray(from * frameValues, (from + 1) * frameValues), to * frameValues);
  });
  return { ...clip, data };
}

async function* streamOf(clip: RgbClip): AsyncGenerator<RgbFrame> {
  for (let t = 0; t < clip.frameCount; t++)
    yield {
      width,
      height,
      timestampSeconds: t / 30,
      data: clip.data.slice(t * frameValues, (t + 1) * frameValues),
    };
}

const original = clipOf(shade);
const noise = new Random(3).normals(frameCount * frameValues);

/** The degradations that a measure must detect, mildest first. */
const ladders: Readonly<Record<string, readonly RgbClip[]>> = {
  noise: [2, 8, 30].map((level) =>
    clipOf((x, y, t, c) => shade(x, y, t, c) + level * noise[((t * height + y) * width + x) * 3 + c]!),
  ),
  blur: [1, 2, 4].map((radius) =>
    clipOf((x, y, t, c) => {
      let sum = 0;
      for (let i = -radius; i <= radius; i++) for (let j = -radius; j <= radius; j++) sum += shade(x + i, y + j, t, c);
      return sum / (2 * radius + 1) ** 2;
    }),
  ),
  shift: [1, 2, 4].map((pixels) => clipOf((x, y, t, c) => shade(x + pixels, y, t, c))),
  "frozen frames": [4, 2, 0].map((last) =>
    reordered(
      original,
      [0, 1, 2, 3, 4, 5].map((t) => Math.min(t, last)),
    ),
  ),
  "frames in another order": [
    [0, 1, 2, 3, 5, 4],
    [0, 1, 3, 2, 5, 4],
    [3, 4, 5, 0, 1, 2],
  ].map((order) => reordered(original, order)),
};

describeEachBackend("scores of a clip", () => {
  it("equal clips are perfect: infinite PSNR, frames of 100 dB, SSIM 1, LPIPS 0", async () => {
    const lpips = randomParams("alexnet");
    const scores = await scoreClip(original, original, { lpips });
    expect(scores.psnr).toEqual({ clipDb: Infinity, framesDb: new Array(frameCount).fill(100) });
    expect(scores.ssim!.mean).toBeCloseTo(1, 6);
    expect(scores.lpips!.frames).toHaveLength(frameCount);
    for (const distance of [scores.lpips!.mean, ...scores.lpips!.frames]) expect(distance).toBeLessThan(1e-12);
    disposeLpipsParams(lpips);
  });

  for (const [name, ladder] of Object.entries(ladders))
    it(`${name}: worse by PSNR, SSIM and LPIPS of every network the stronger`, { timeout: 120_000 }, async () => {
      for (const network of networkNames) {
        const lpips = randomParams(network);
        const scores: ClipScores[] = [];
        for (const clip of ladder) scores.push(await scoreClip(original, clip, { lpips }));
        const falling = (series: number[]): void => {
          series.slice(1).forEach((value, i) => expect(value, network).toBeLessThan(series[i]!));
        };
        falling([Infinity, ...scores.map(({ psnr }) => psnr.clipDb)]);
        falling([1 - 1e-6, ...scores.map(({ ssim }) => ssim!.mean)]);
        falling([0, ...scores.map((score) => -score.lpips!.mean)]);
        disposeLpipsParams(lpips);
      }
    });

  it("streams and clips in memory give the same, in batches of any size, and say how they were made", async () => {
    const lpips = randomParams("alexnet");
    const other = ladders["noise"]![1]!;
    const whole = await scoreClip(original, other, { lpips, batchFrames: 6 });
    const events: ProgressEvent[] = [];
    await expectNoLeak(async () => {
      const streamed = await scoreClip(streamOf(original), streamOf(other), {
        lpips,
        batchFrames: 4,
        onProgress: (event) => events.push(event),
      });
      expect(streamed.psnr).toEqual(psnrOfRgb(original, other));
      expect(streamed).toMatchObject({ frameCount, width, height, made: whole.made });
      streamed.ssim!.frames.forEach((score, t) => expect(score).toBeCloseTo(whole.ssim!.frames[t]!, 5));
      streamed.lpips!.frames.forEach((score, t) => expect(score).toBeCloseTo(whole.lpips!.frames[t]!, 4));
      expect(streamed.made["lpips"]).toContain("alexnet");
    });
    expect(events.map(({ done }) => done)).toEqual([1, 2, 3, 4, 5, 6]);
    disposeLpipsParams(lpips);
  });

  it("clips that do not fit are refused with one sentence, and no tensor stays behind", async () => {
    const short = { ...original, frameCount: 5, data: original.data.subarray(0, 5 * frameValues) };
    const turned = { ...original, width: height, height: width };
    await expectNoLeak(async () => {
      await expect(scoreClip(original, short)).rejects.toThrow("the other clip ends after 5");
      await expect(scoreClip(original, turned)).rejects.toThrow("got 52x48 and 48x52");
      await expect(scoreClip([], [])).rejects.toThrow("got none");
      await expect(scoreClip(original, original, { msSsim: true })).rejects.toThrow("at least 176x176 for MS-SSIM");
      await expect(scoreClip(original, original, { signal: AbortSignal.abort() })).rejects.toThrow(
        "Stopped on request",
      );
      await expect(scoreClip(original, original, { batchFrames: 0 })).rejects.toThrow("at least 1, got 0");
    });
  });
});

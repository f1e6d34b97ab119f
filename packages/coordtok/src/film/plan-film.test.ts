import { readFileSync } from "node:fs";
import { disposeTree, type RgbFrame } from "@coordtok/core";
import { starterBytes } from "@coordtok/starter";
import { LatticeCoordTok } from "@coordtok/tokenizer";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { mistyped } from "@coordtok/tools/mistyped";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { beforeAll, expect, it } from "vitest";
import { encodeStream, planFilm, tryFilm, type PlanFilmOptions, type PlannedWindow } from "./index.js";

const size = { height: 16, width: 16 };
const whole = { top: 0, left: 0, ...size };
const picture = { ...size, picture: whole, tiles: [whole] };
/** A still picture, then movement. */
const still = 32;
let frames: RgbFrame[] = [];

beforeAll(async () => {
  for await (const frame of framesFromClip(syntheticClip({ frames: 8, ...size, seed: 3 }), 10)) frames.push(frame);
  frames = [...Array.from({ length: still }, () => frames[0]!), ...frames];
});

async function* film(count = frames.length): AsyncGenerator<RgbFrame, void, undefined> {
  for (const frame of frames.slice(0, count)) yield await Promise.resolve(frame);
}

const sum = (plan: readonly PlannedWindow[], of: (window: PlannedWindow) => number): number =>
  plan.reduce((total, window) => total + of(window), 0);

const meanError = (plan: readonly PlannedWindow[]): number =>
  sum(plan, ({ frames: count, psnrDb }) => count * 10 ** (-psnrDb / 10)) / sum(plan, ({ frames: count }) => count);

describeEachBackend("the windows of a film", { timeout: 240_000 }, () => {
  const planned = async (options: Partial<PlanFilmOptions>, count?: number): Promise<PlannedWindow[]> => {
    using model = await LatticeCoordTok.load(new Uint8Array(readFileSync(starterBytes)));
    let plan: PlannedWindow[] = [];
    await expectNoLeak(async () => {
      plan = await planFilm(film(count), { model, picture: () => picture, fps: 10, split: "fixed", ...options });
    });
    return plan;
  };

  it("reach a PSNR with fewer bytes than a lower price would, and what stands still is in long ones", async () => {
    const [low, high] = [
      await planned({ targetPsnrDb: 18, longest: 32 }),
      await planned({ targetPsnrDb: 22, longest: 32 }),
    ];
    for (const [plan, target] of [
      [low, 18],
      [high, 22],
    ] as const) {
      expect(sum(plan, ({ frames: count }) => count)).toBe(frames.length);
      expect(-10 * Math.log10(meanError(plan))).toBeGreaterThanOrEqual(target);
    }
    expect(sum(low, ({ bytes }) => bytes)).toBeLessThan(sum(high, ({ bytes }) => bytes));
    expect(low[0]!.frames).toBe(still);
  });

  it("come as near as they can to what is out of reach, with a warning", async () => {
    const warnings: string[] = [];
    const onWarning = (warning: string): void => void warnings.push(warning);
    await planned({ targetPsnrDb: 99, windowFrames: 8, step: 1 / 4, onWarning }, 8);
    await planned({ maxBytesPerSecond: 1, windowFrames: 8, step: 1 / 4, onWarning }, 8);
    expect(warnings).toEqual([
      expect.stringMatching(/^99 dB are out of reach; the best windows have \d+\.\d\d dB before any refinement$/),
      expect.stringMatching(/^1 bytes a second are too few; the smallest windows take \d+$/),
    ]);
  });

  it("keep to the bytes of a second, and to what is fixed", async () => {
    const plan = await planned({ maxBytesPerSecond: 600, windowFrames: 8, content: 16, motion: 4 }, 20);
    expect(plan.map(({ frames: count }) => count)).toEqual([8, 8, 4]);
    expect(plan.every(({ budget }) => budget.content === 16 && budget.motion === 4)).toBe(true);
    expect(sum(plan, ({ bytes }) => bytes)).toBeLessThanOrEqual(1200);
    const steps = await planned({ targetPsnrDb: 40, step: 1 / 8 }, 8);
    expect(steps).toMatchObject([{ frames: 8, step: 1 / 8 }]);
  });

  it("spend bytes where the PSNR that counts gains most: of the film, or of its frames", async () => {
    using model = await LatticeCoordTok.load(new Uint8Array(readFileSync(starterBytes)));
    const tried = await tryFilm(film(), { model, picture: () => picture, fps: 10, split: "fixed", longest: 16 });
    const [whole, each] = (["film", "frames"] as const).map((psnr) => tried.plan({ maxBytesPerSecond: 500, psnr }));
    const meanDb = (plan: readonly PlannedWindow[]): number =>
      sum(plan, ({ frames: count, framesPsnrDb }) => count * framesPsnrDb) / frames.length;
    for (const plan of [whole!, each!]) expect(sum(plan, ({ bytes }) => bytes)).toBeLessThanOrEqual(2000);
    expect(meanDb(each!)).toBeGreaterThanOrEqual(meanDb(whole!));
    expect(meanError(whole!)).toBeLessThanOrEqual(meanError(each!));
    const reached = tried.plan({ targetPsnrDb: 21, psnr: "frames" });
    expect(meanDb(reached)).toBeGreaterThanOrEqual(21);
    expect(() => tried.plan(mistyped({ targetPsnr: 24 }))).toThrow("targetPsnrDb");
  });

  it("are what the film is then encoded in", async () => {
    using model = await LatticeCoordTok.load(new Uint8Array(readFileSync(starterBytes)));
    const budget = { content: 8, motion: 2 };
    const plan = [3, 9].map((count, i) => ({
      frames: count,
      step: 1 / (2 + i),
      budget,
      psnrDb: 20 + i,
      framesPsnrDb: 20,
      bytes: 9,
    }));
    const windows = [];
    for await (const window of encodeStream(film(12), { model, plan, fit: "crop", size })) {
      windows.push([window.first, window.frames, window.overlap, window.coding]);
      disposeTree([...window.triplanes]);
    }
    expect(windows).toEqual([
      [0, 3, 0, { step: 1 / 2, budget, psnrDb: 20 }],
      [3, 9, 0, { step: 1 / 3, budget, psnrDb: 21 }],
    ]);
    const encode = async (count: number): Promise<void> => {
      for await (const { triplanes } of encodeStream(film(count), { model, plan, fit: "crop", size }))
        disposeTree([...triplanes]);
    };
    await expect(encode(11)).rejects.toThrow("another number of frames");
    await expect(encode(13)).rejects.toThrow("another number of frames");
  });

  it("need one target, and one that can be", async () => {
    await expect(planned({})).rejects.toThrow("either a PSNR or a number of bytes");
    await expect(planned({ targetPsnrDb: 30, maxBytesPerSecond: 9 })).rejects.toThrow("either a PSNR or a number");
    await expect(planned({ targetPsnrDb: 0 })).rejects.toThrow("targetPsnrDb");
    await expect(planned({ targetPsnrDb: 30 }, 0)).rejects.toThrow("at least one frame");
    await expect(planned(mistyped({ targetPsnr: 30 }))).rejects.toThrow('did you mean "targetPsnrDb"');
  });
});

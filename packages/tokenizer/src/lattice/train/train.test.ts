import { clipFromRgb, disposeTree, Random, treeEntries } from "@coordtok/core";
import { disposeTrainState, type TrainState } from "@coordtok/core/train";
import { triplaneShape } from "@coordtok/triplane";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { mean, memory, square, sub, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { rampClip } from "../../testdata.js";
import type { LatticeConfig } from "../config.js";
import { LatticeCoordTok } from "../lattice-coordtok.js";
import { createLatticeParams, type LatticeParams } from "../params.js";
import { clipViews } from "../views.js";
import { drawLatticeBatch } from "./batch.js";
import { drawWindow } from "./footage.js";
import { latticeLoss } from "./loss.js";
import { drawMovingPictures, stillPicture } from "./moving-pictures.js";
import { latticeShapes, latticeTrainDefaults, type LatticeTrainSettings } from "./settings.js";
import { createLatticeStart, withLinearStart } from "./start.js";
import { encodeLatticeTraining, readLatticeTraining, trainLattice, type TrainLatticeOptions } from "./train.js";

const config: LatticeConfig = {
  form: "lattice",
  width: 32,
  heads: 2,
  videoLayers: 1,
  latentLayers: 1,
  decoderLayers: 1,
  channels: 6,
};
const clips = [rampClip({ frameCount: 12 }), rampClip({ frameCount: 20, height: 40, width: 56, seed: 2 })];
const shape = { frames: 8, height: 16, width: 24, clips: 2, share: 1 };
const settings: LatticeTrainSettings = {
  ...latticeTrainDefaults,
  shapes: [shape],
  firstShapes: [{ ...shape, width: 16 }],
  totalSteps: 6,
  warmupSteps: 2,
};

async function values(tensor: Tensor): Promise<number[]> {
  return [...(await tensor.data())];
}

async function errorOf(params: LatticeParams): Promise<number> {
  const tokenizer = LatticeCoordTok.from(config, params);
  const clip = clipFromRgb([clips[1]!]);
  const triplane = tokenizer.encode(clip);
  const { frames } = await tokenizer.decode(triplane);
  const error = tidy(() => mean(square(sub(frames, clip.frames))));
  const [value] = await error.data();
  disposeTree([clip.frames, triplane, frames, error]);
  return value!;
}

/** The loss on eight windows that are not in the training data, with all channels kept. */
async function lossOf(params: LatticeParams): Promise<number> {
  const { clip, blocks } = drawLatticeBatch({ clips }, { ...shape, clips: 8 }, 6, settings, new Random(99));
  const loss = tidy(() => latticeLoss(params, config, clip, { budget: { content: 6, motion: 6 }, blocks }));
  const [value] = await loss.data();
  disposeTree([clip.frames, loss]);
  return value!;
}

async function train(
  options: Partial<TrainLatticeOptions>,
  steps: number,
): Promise<{ state: TrainState<LatticeParams>; losses: number[]; progress: number }> {
  const losses: number[] = [];
  let [state, progress]: [TrainState<LatticeParams> | undefined, number] = [undefined, 0];
  const from = options.from ?? createLatticeParams(config, 1);
  for await (const step of trainLattice({ config, clips, settings, seed: 7, ...options, from })) {
    losses.push(step.report.loss);
    ({ state } = step);
    ({ progress } = step.report);
    if (losses.length === steps) break;
  }
  return { state: state!, losses, progress };
}

async function numbersOf({ params, average, optimizer }: TrainState<LatticeParams>): Promise<Map<string, number[]>> {
  const entries = treeEntries([params, average, optimizer]);
  return new Map(await Promise.all(entries.map(async ([path, leaf]) => [path, await values(leaf)] as const)));
}

describeEachBackend("the start of a lattice training", () => {
  it(
    "decodes through the linear path alone, as an untrained model does, and better with more channels",
    { timeout: 240_000 },
    async () => {
      const untrained = createLatticeParams(config, 3);
      const [fresh, replaced] = [
        await createLatticeStart(config, clips, 1),
        await withLinearStart(config, untrained, clips),
      ];
      const [one, other] = [await errorOf(fresh), await errorOf(replaced)];
      expect(one).toBeCloseTo(other, 6);
      const fewer = { ...config, channels: 2 };
      const small = await createLatticeStart(fewer, clips, 1);
      expect(10 * Math.log10(4 / one)).toBeGreaterThan(17);
      const tokenizer = LatticeCoordTok.from(fewer, small);
      const clip = clipFromRgb([clips[1]!]);
      const triplane = tokenizer.encode(clip);
      expect(triplaneShape(triplane).channels).toBe(2);
      const { frames } = await tokenizer.decode(triplane);
      const error = tidy(() => mean(square(sub(frames, clip.frames))));
      expect((await error.data())[0]).toBeGreaterThan(1.2 * one);
      disposeTree([untrained, fresh, replaced, small, clip.frames, triplane, frames, error]);
    },
  );

  it("gives base maps whose outputs are uncorrelated, the strongest first", { timeout: 30_000 }, async () => {
    const params = await createLatticeStart(config, [clips[0]!], 1);
    const clip = clipFromRgb([clips[0]!]);
    const triplane = LatticeCoordTok.from(config, params).encode(clip);
    const cells = await values(triplane.xy);
    const moment = (i: number, j: number): number => {
      let sum = 0;
      for (let cell = 0; cell < cells.length; cell += 6) sum += cells[cell + i]! * cells[cell + j]!;
      return sum / (cells.length / 6);
    };
    for (let i = 0; i < 6; i++)
      for (let j = 0; j < i; j++) {
        expect(moment(i, i)).toBeLessThan(moment(j, j) * (1 + 1e-3));
        expect(Math.abs(moment(i, j))).toBeLessThan(1e-4 * moment(0, 0));
      }
    disposeTree([params, clip.frames, triplane]);
  });

  it(
    "whitens: queries of a view whose inputs vary a thousandfold have outputs of equal strength",
    { timeout: 120_000 },
    async () => {
      const wide = { ...config, width: 64 };
      const params = await createLatticeStart(wide, clips, 1);
      const clip = clipFromRgb([clips[0]!]);
      const views = clipViews(clip.frames);
      const kernel = await values(params.encoder.queries.yt.kernel);
      const view = await values(views.yt);
      // The mean square of all outputs is about the number of strong directions divided by the number of inputs, at most 1.
      const rows = view.length / 96;
      let sum = 0;
      for (let row = 0; row < rows; row++)
        for (let output = 0; output < 64; output++) {
          let value = 0;
          for (let i = 0; i < 96; i++) value += view[row * 96 + i]! * kernel[i * 64 + output]!;
          sum += value ** 2;
        }
      expect(sum / rows / 64).toBeGreaterThan(0.02);
      expect(sum / rows / 64).toBeLessThan(2);
      disposeTree([params, clip.frames, views]);
    },
  );

  it(
    "gives the same weights for the same seed, leaves no tensor behind and refuses input it cannot start from",
    { timeout: 240_000 },
    async () => {
      await expectNoLeak(async () => {
        const [one, same, other] = [
          await createLatticeStart(config, clips.slice(0, 1), 1),
          await createLatticeStart(config, clips.slice(0, 1), 1),
          await createLatticeStart(config, clips.slice(0, 1), 2),
        ];
        const kernel = (params: LatticeParams): Tensor => params.encoder.video.patch.kernel;
        expect(await values(kernel(same))).toEqual(await values(kernel(one)));
        expect(await values(kernel(other))).not.toEqual(await values(kernel(one)));
        disposeTree([one, same, other]);
        await expect(createLatticeStart(config, [], 1)).rejects.toThrow(/at least one clip to start from/);
        await expect(createLatticeStart({ ...config, channels: 97 }, clips, 1)).rejects.toThrow(/at most 96 channels/);
      });
    },
  );
});

describeEachBackend("lattice training", (backend) => {
  it("lowers the loss and keeps only the state", { timeout: 120_000 }, async () => {
    const before = memory().numTensors;
    const steps = backend === "cpu" ? 10 : 40;
    const from = await createLatticeStart(config, clips, 1);
    const start = await lossOf(from);
    const { state, progress } = await train({ from, settings: { ...settings, totalSteps: steps } }, steps);
    expect(progress).toBe(1);
    expect(await lossOf(state.params)).toBeLessThan(start - (backend === "cpu" ? 0 : 0.1));
    expect(memory().numTensors - before).toBe(treeEntries([state.params, state.average, state.optimizer]).length);
    disposeTrainState(state);
  });

  it(
    "ends with the same bits when it is resumed from a file, with either optimizer",
    { timeout: 240_000 },
    async () => {
      for (const optimizer of ["muon", "adamw"] as const) {
        const chosen = { ...settings, optimizer };
        const whole = await train({ settings: chosen }, 4);
        const half = await train({ settings: chosen }, 2);
        const parts: Uint8Array[] = [];
        const saving = { config, settings: chosen, state: half.state };
        for await (const chunk of encodeLatticeTraining(saving)) parts.push(chunk);
        disposeTrainState(half.state);
        const saved = await readLatticeTraining(new Blob(parts as BlobPart[]));
        expect(saved).toMatchObject({ config, settings: chosen });
        const resumed = await train({ from: saved.state, settings: saved.settings }, 2);
        expect(resumed.losses).toEqual(whole.losses.slice(2));
        expect(await numbersOf(resumed.state)).toEqual(await numbersOf(whole.state));
        disposeTrainState(resumed.state);
        disposeTrainState(whole.state);
      }
    },
  );

  it("ends after the given number of seconds", async () => {
    const { state, progress } = await train({ seconds: 0.01 }, 1000);
    expect(progress).toBeGreaterThanOrEqual(1);
    expect(state.step).toBe(1);
    disposeTrainState(state);
  });

  it("draws pictures under a moving camera when no clip is large enough", async () => {
    const picture = rampClip({ frameCount: 1, height: 96, width: 120 });
    const { state } = await train({ clips: [], pictures: [stillPicture(picture)] }, 2);
    expect(state.step).toBe(2);
    disposeTrainState(state);
  });

  it("refuses settings that a training does not have", async () => {
    const slip = { ...settings, muonrate: 1 };
    await expect(train({ settings: slip }, 1)).rejects.toThrow('did you mean "muonRate"?');
  });

  it("refuses input it cannot train on with one sentence, and leaves no tensor behind", async () => {
    await expectNoLeak(async () => {
      const from = createLatticeParams(config, 1);
      await expect(train({ from, clips: [] }, 1)).rejects.toThrow(/a clip of at least 4 frames of 16x16/);
      const odd = { ...settings, shapes: [{ ...shape, height: 20 }] };
      await expect(train({ from, settings: odd }, 1)).rejects.toThrow(/shapes\[0\]\.height \/ 8.*2\.5/);
      await expect(train({ from, settings: { ...settings, muonRate: -1 } }, 1)).rejects.toThrow(/muonRate/);
      await expect(train({ from, seconds: 0 }, 1)).rejects.toThrow(/above 0 seconds/);
      disposeTree(from);
    });
  });
});

describe("windows for training", () => {
  const size = { frames: 8, height: 16, width: 24 };

  it("of a clip of one colour have that colour, and those of a ramp keep its order", () => {
    const grey = { data: new Uint8Array(9 * 30 * 40 * 3).fill(77), frameCount: 9, height: 30, width: 40 };
    expect(drawWindow(grey, size, new Random(1)).every((value) => Math.abs(value - 77) < 1e-3)).toBe(true);
    const ramp = { ...grey, data: grey.data.map((_, i) => 5 * (Math.floor(i / 3) % 40)) };
    const window = drawWindow(ramp, size, new Random(2));
    for (let column = 1; column < 24; column++)
      expect(window[column * 3]!).toBeGreaterThan(window[(column - 1) * 3]! + 4.9);
  });

  it("play a clip of half their frames back and forth", () => {
    const frames = 4;
    const data = Uint8Array.from({ length: frames * 16 * 24 * 3 }, (_, i) => 10 * Math.floor(i / (16 * 24 * 3)));
    const seen = drawWindow({ data, frameCount: frames, height: 16, width: 24 }, size, new Random(3));
    const times = Array.from({ length: 8 }, (_, t) => Math.round(seen[t * 16 * 24 * 3]! / 10));
    expect(times.slice(1).every((time, i) => Math.abs(time - times[i]!) === 1)).toBe(true);
    expect(new Set(times).size).toBe(4);
  });

  it("over pictures stay within the pictures' colours, and move", () => {
    const picture = rampClip({ frameCount: 1, height: 200, width: 240 });
    const pictures = [stillPicture(picture)];
    expect(pictures[0]!.levels.map(({ height, width }) => [height, width])).toEqual([
      [200, 240],
      [100, 120],
    ]);
    let moved = 0;
    for (let seed = 0; seed < 8; seed++) {
      const window = drawMovingPictures(pictures, size, new Random(seed));
      expect(window.every((value) => value >= 0 && value <= 255)).toBe(true);
      const frame = window.length / size.frames;
      if (window.subarray(0, frame).some((value, i) => Math.abs(value - window[(size.frames - 1) * frame + i]!) > 2))
        moved++;
    }
    expect(moved).toBeGreaterThan(4);
  });
});

describe("the shapes of a lattice training", () => {
  it("have about as many values in every step, and are whole blocks", () => {
    const { shapes, firstShapes } = latticeTrainDefaults;
    expect(latticeShapes({})).toEqual({ firstShapes, shapes });
    expect(latticeShapes({ size: { height: 128, width: 64 }, clips: 16 }).shapes).toMatchObject([
      { frames: 16, height: 128, width: 64, clips: 8 },
      { frames: 32, height: 128, width: 64, clips: 4 },
    ]);
    expect(latticeShapes({ size: { height: 128, width: 128 }, frames: 16, clips: 1 }).shapes).toEqual([
      { frames: 16, height: 128, width: 128, clips: 1, share: 1 },
    ]);
    expect(() => latticeShapes({ frames: 6 })).toThrow(/frames/);
  });
});

import { treeEntries } from "@coordtok/core";
import { disposeTrainState, type TrainState } from "@coordtok/core/train";
import { describeEachBackend } from "@coordtok/tools";
import { memory, mean, square, sub, sum, type Scalar } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { preset, type TokenizerParams } from "../index.js";
import { rampClip } from "../testdata.js";
import { encodeTraining, readTraining, trainTokenizer, trainDefaults, type TrainTokenizerOptions } from "./index.js";

const config = preset("test");
const clips = [rampClip({ frameCount: 20 }), rampClip({ frameCount: 9, seed: 2 })];
const settings = { ...trainDefaults, totalSteps: 6, warmupSteps: 2, pointsPerClip: 24, batchSize: 2 };

async function train(
  options: Partial<TrainTokenizerOptions>,
  steps: number,
): Promise<{ state: TrainState<TokenizerParams>; losses: number[] }> {
  const losses: number[] = [];
  let state: TrainState<TokenizerParams> | undefined;
  for await (const step of trainTokenizer({ config, clips, settings, seed: 7, ...options })) {
    losses.push(step.report.loss);
    state = step.state;
    if (losses.length === steps) break;
  }
  return { state: state!, losses };
}

async function valuesOf(state: TrainState<TokenizerParams>): Promise<Record<string, readonly number[]>> {
  const entries = treeEntries([state.params, state.average, state.optimizer.firstMoment, state.optimizer.secondMoment]);
  return Object.fromEntries(
    await Promise.all(entries.map(async ([path, leaf]) => [path, [...(await leaf.data())]] as const)),
  );
}

describeEachBackend("training", (backend) => {
  it("lowers the loss and keeps only the state", { timeout: 120_000 }, async () => {
    const before = memory().numTensors;
    const steps = backend === "cpu" ? 8 : 60;
    const { state, losses } = await train({ settings: { ...settings, totalSteps: steps, learningRate: 3e-3 } }, steps);
    const average = (part: number[]): number => part.reduce((a, b) => a + b, 0) / part.length;
    expect(average(losses.slice(-3))).toBeLessThan(average(losses.slice(0, 3)));
    expect(memory().numTensors - before).toBe(
      treeEntries([state.params, state.average, state.optimizer.firstMoment, state.optimizer.secondMoment]).length,
    );
    disposeTrainState(state);
  });

  it("resumed from a file it ends with the same bits as uninterrupted", { timeout: 120_000 }, async () => {
    const whole = await train({}, 4);
    const half = await train({}, 2);
    const parts: Uint8Array[] = [];
    for await (const chunk of encodeTraining({ config, settings, state: half.state })) parts.push(chunk);
    disposeTrainState(half.state);
    const saved = await readTraining(new Blob(parts as BlobPart[]));
    expect(saved.settings).toEqual(settings);
    const resumed = await train({ state: saved.state, settings: saved.settings }, 2);
    expect(resumed.losses).toEqual(whole.losses.slice(2));
    expect(await valuesOf(resumed.state)).toEqual(await valuesOf(whole.state));
    disposeTrainState(resumed.state);
    disposeTrainState(whole.state);
  });

  it("accumulated micro-batches make one step", { timeout: 120_000 }, async () => {
    const { state } = await train({ settings: { ...settings, accumulate: 2, batchSize: 1, totalSteps: 1 } }, 1);
    expect(state.step).toBe(1);
    disposeTrainState(state);
  });

  it("stage 2 decodes whole frames and adds the perceptual loss", { timeout: 120_000 }, async () => {
    let seen: number[] | undefined;
    const { state, losses } = await train(
      {
        settings: { ...settings, stage: 2, pointsPerClip: 40, totalSteps: 1 },
        perceptual: (prediction, target) => {
          seen = prediction.shape;
          return sum(mean(square(sub(prediction, target)), [1, 2, 3])) as Scalar;
        },
      },
      1,
    );
    expect(seen).toEqual([4, 32, 32, 3]);
    expect(losses[0]).toBeGreaterThan(0);
    disposeTrainState(state);
  });

  it("refuses what it cannot train on in one sentence", async () => {
    await expect(train({ clips: [] }, 1)).rejects.toThrow(/at least one clip/);
    await expect(train({ settings: { ...settings, stage: 2 } }, 1)).rejects.toThrow(/perceptual loss/);
    await expect(train({ settings: { ...settings, batchSize: 0 } }, 1)).rejects.toThrow(/batchSize/);
  });
});

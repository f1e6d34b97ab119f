import { disposeTree, treeEntries, treeLeaves, type TensorTree } from "@coordtok/core";
import { disposeTrainState, type TrainState } from "@coordtok/core/train";
import { describeEachBackend } from "@coordtok/tools";
import { memory, mean, square, sub, sum, type Scalar } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { checkConfig, preset } from "../index.js";
import type { TokenizerParams } from "../model/index.js";
import { createParams } from "../params.js";
import { rampClip } from "../testdata.js";
import {
  encodeTraining,
  readTraining,
  trainDefaults,
  trainTokenizer,
  type ClipSource,
  type TrainTokenizerOptions,
} from "./index.js";

const config = preset("test");
const clips = [rampClip({ frameCount: 20 }), rampClip({ frameCount: 9, seed: 2 })];
const settings = { ...trainDefaults, totalSteps: 6, warmupSteps: 2, pointsPerClip: 24, batchSize: 2 };

/** A tokenizer of clips of 4 frames of 8x8 whose decoder has one patch for each frame. */
const smallest = checkConfig({
  clip: { frames: 4, height: 8, width: 8 },
  encoder: { width: 4, heads: 2, videoLayers: 1, latentLayers: 1, patch: { time: 2, space: 4 } },
  planes: { rows: 2, columns: 2, time: 2, channels: 2, cell: { time: 2, space: 2 } },
  decoder: { width: 4, heads: 2, layers: 1, patch: { time: 1, space: 8 } },
  padding: "masked",
  compat: "none",
});

/** Two clips of one frame in turn, whatever is drawn; each has only one patch to draw. */
function alternating(): ClipSource {
  const light = rampClip({ frameCount: 1, height: 8, width: 8 });
  const pair = [light, { ...light, data: light.data.map((value) => 100 - value / 3) }];
  let next = 0;
  return { length: 1, get: () => pair[next++ % 2]! };
}

async function train(
  options: Partial<TrainTokenizerOptions>,
  steps = Infinity,
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

async function numbersOf(tree: TensorTree): Promise<number[]> {
  return (await Promise.all(treeLeaves(tree).map(async (leaf) => [...(await leaf.data())]))).flat();
}

async function valuesOf(state: TrainState<TokenizerParams>): Promise<Record<string, readonly number[]>> {
  const entries = treeEntries([state.params, state.average, state.optimizer]);
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
    expect(memory().numTensors - before).toBe(treeEntries([state.params, state.average, state.optimizer]).length);
    disposeTrainState(state);
  });

  it("refuses settings that a training does not have", async () => {
    const slip = { ...settings, learningrate: 1 };
    await expect(train({ settings: slip }, 1)).rejects.toThrow('did you mean "learningRate"?');
  });

  it("ends with the same bits when it is resumed from a file", { timeout: 120_000 }, async () => {
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

  it("accumulated micro-batches make the same step as one large batch", { timeout: 60_000 }, async () => {
    const before = createParams(smallest, 7);
    const moved = async (batchSize: number, accumulate: number): Promise<number[]> => {
      const { state } = await train({
        config: smallest,
        clips: alternating(),
        // A large epsilon makes the step nearly proportional to the gradient, so that rounding stays small.
        settings: { ...settings, batchSize, accumulate, totalSteps: 1, warmupSteps: 0, epsilon: 1, learningRate: 1 },
      });
      const numbers = await Promise.all([state.params, before].map(numbersOf));
      disposeTrainState(state);
      return numbers[0]!.map((value, i) => value - numbers[1]![i]!);
    };
    const [large, accumulated, single] = [await moved(2, 1), await moved(1, 2), await moved(1, 1)];
    const largest = (values: readonly number[]): number => Math.max(...values.map(Math.abs));
    const distance = (other: readonly number[]): number => largest(large.map((value, i) => value - other[i]!));
    expect(largest(large)).toBeGreaterThan(0.01);
    expect(distance(accumulated)).toBeLessThan(2e-6);
    expect(distance(single)).toBeGreaterThan(1e-3);
    disposeTree(before);
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

  it("refuses input it cannot train on with one sentence", async () => {
    await expect(train({ clips: [] }, 1)).rejects.toThrow(/at least one clip/);
    await expect(train({ settings: { ...settings, stage: 2 } }, 1)).rejects.toThrow(/perceptual loss/);
    await expect(train({ settings: { ...settings, batchSize: 0 } }, 1)).rejects.toThrow(/batchSize/);
  });
});

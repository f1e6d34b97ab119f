import { Random, treeEntries } from "@coordtok/core";
import { disposeTrainState, type TrainState } from "@coordtok/core/train";
import { describeEachBackend } from "@coordtok/tools";
import { collectStats, disposeTriplane, mapPlanes, planeShape, type LabelledTriplane } from "@coordtok/triplane";
import { memory } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { preset, SiT, type SamplerName } from "../index.js";
import type { SiTParams } from "../model/index.js";
import { clipsTaken, encodeTraining, readTraining, trainDefaults, trainDiffusion } from "./index.js";

const planes = { time: 4, rows: 4, columns: 4, channels: 2 };
const model = preset("test/2", { planes, classes: 3 });
const settings = { ...trainDefaults, totalSteps: 4, warmupSteps: 2, batchSize: 2 };

/** Clips whose values follow from their index. */
async function* latents(start = 0): AsyncGenerator<LabelledTriplane, never> {
  for (let i = start; ; i++) {
    const random = new Random(i);
    const triplane = mapPlanes((plane) => random.normalTensor(planeShape(planes, plane, 1)));
    yield await Promise.resolve({ triplane, labels: [i % 3] });
  }
}

async function train(
  steps: number,
  state?: TrainState<SiTParams>,
): Promise<{ state: TrainState<SiTParams>; losses: number[] }> {
  const one = (await latents().next()).value.triplane;
  const statistics = await collectStats([one]);
  disposeTriplane(one);
  const losses: number[] = [];
  let last = state;
  const source = latents(clipsTaken(state?.step ?? 0, settings));
  const options = {
    config: model,
    latents: source,
    statistics,
    settings,
    seed: 5,
    ...(state === undefined ? {} : { state }),
  };
  for await (const step of trainDiffusion(options)) {
    losses.push(step.report.loss);
    last = step.state;
    if (losses.length === steps) break;
  }
  return { state: last!, losses };
}

async function numbers(params: SiTParams): Promise<number[]> {
  const leaves = await Promise.all(treeEntries(params).map(([, leaf]) => leaf.data()));
  return leaves.flatMap((leaf) => [...leaf]);
}

describeEachBackend("training a generator", () => {
  it("refuses settings that a training does not have", async () => {
    const slip = { ...settings, batchsize: 1 };
    const training = trainDiffusion({ config: model, latents: latents(), statistics: undefined!, settings: slip });
    await expect(training.next()).rejects.toThrow('did you mean "batchSize"?');
  });

  it(
    "ends with the same bits when it is resumed from a file, and keeps only the state",
    { timeout: 60_000 },
    async () => {
      const before = memory().numTensors;
      const whole = await train(4);
      const half = await train(2);
      const parts: Uint8Array[] = [];
      const config = { model, flow: { path: "linear", prediction: "velocity" } as const };
      for await (const chunk of encodeTraining({ config, settings, state: half.state, latents: undefined }))
        parts.push(chunk);
      disposeTrainState(half.state);
      const saved = await readTraining(new Blob(parts as BlobPart[]));
      const resumed = await train(2, saved.state);
      expect(resumed.losses).toEqual(whole.losses.slice(2));
      expect(await numbers(resumed.state.average)).toEqual(await numbers(whole.state.average));
      disposeTrainState(resumed.state);
      disposeTrainState(whole.state);
      expect(memory().numTensors).toBe(before);
    },
  );

  it("a sample does not depend on the size of its batch", { timeout: 60_000 }, async () => {
    const { state } = await train(2);
    const generator = SiT.from(model, state.average);
    const sampled = async (solver: SamplerName, batchSize: number): Promise<number[]> => {
      const all: number[] = [];
      const options = { count: 3, steps: 4, guidance: { scale: 2 }, labels: [0, 1, 2] };
      for await (const { planes: own } of generator.sample({ ...options, solver, batchSize })) {
        all.push(...(await own.xy.data()));
        disposeTriplane(own);
      }
      return all;
    };
    for (const solver of ["heun2", "sde-euler"] as const) {
      const [one, two] = [await sampled(solver, 1), await sampled(solver, 2)];
      expect(one).toHaveLength(3 * 32);
      expect(Math.max(...one.map((value, i) => Math.abs(value - two[i]!)))).toBeLessThan(1e-5);
    }
    disposeTrainState(state);
  });
});

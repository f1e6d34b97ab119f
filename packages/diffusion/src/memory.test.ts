import { disposeTree, Random } from "@coordtok/core";
import { disposeTrainState, type TrainState } from "@coordtok/core/train";
import { describeEachBackend } from "@coordtok/tools";
import { collectStats, mapPlanes, planeShape, type LabelledTriplane, type Triplane } from "@coordtok/triplane";
import { memory, profile } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { estimateMemory, overrideConfig, preset, SiT, type MemoryWork } from "./index.js";
import type { SiTParams } from "./model/index.js";
import { trainDiffusion } from "./train/index.js";

const planes = { time: 8, rows: 8, columns: 8, channels: 4 };
const config = overrideConfig(preset("test/2", { planes }), ["width=64", "depth=3"]);

async function peakOf(run: () => Promise<void>): Promise<number> {
  const before = memory().numBytes;
  const { peakBytes } = await profile(async () => {
    await run();
    return [];
  });
  return peakBytes - before;
}

function triplaneOf(seed: number): Triplane {
  const random = new Random(seed);
  return mapPlanes((plane) => random.normalTensor(planeShape(planes, plane, 1)));
}

async function* latents(): AsyncGenerator<LabelledTriplane, never> {
  for (let i = 0; ; i++) yield await Promise.resolve({ triplane: triplaneOf(i), labels: [0] });
}

describeEachBackend("the estimate of a generator's memory", () => {
  const withinReason = (peak: number, work: MemoryWork): void => {
    const ratio = estimateMemory(config, work).totalBytes / peak;
    expect([work.task, ratio > 0.95 && ratio < 2 ? "within 0.95 to 2 of the peak" : ratio]).toEqual([
      work.task,
      "within 0.95 to 2 of the peak",
    ]);
  };

  it("covers the peak of sampling and training, and not more than twice", { timeout: 30_000 }, async () => {
    const samplePeak = await peakOf(async () => {
      using generator = SiT.create(config);
      for await (const sample of generator.sample({ count: 4, steps: 2 })) disposeTree(sample.planes);
    });
    withinReason(samplePeak, { task: "sample", clips: 4 });

    const first = triplaneOf(0);
    const statistics = await collectStats([first]);
    disposeTree(first);
    const trainPeak = await peakOf(async () => {
      let state: TrainState<SiTParams> | undefined;
      const settings = { totalSteps: 2, batchSize: 4 };
      for await (const step of trainDiffusion({ config, latents: latents(), statistics, settings })) state = step.state;
      disposeTrainState(state!);
    });
    withinReason(trainPeak, { task: "train", clips: 4 });
  });
});

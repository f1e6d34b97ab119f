import { clipFromRgb, disposeTree } from "@coordtok/core";
import { disposeTrainState, type TrainState } from "@coordtok/core/train";
import { describeEachBackend } from "@coordtok/tools";
import { memory, profile } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { refine } from "../refine/index.js";
import { rampClip } from "../testdata.js";
import type { LatticeConfig } from "./config.js";
import { LatticeCoordTok } from "./lattice-coordtok.js";
import { estimateLatticeMemory } from "./memory.js";
import { createLatticeParams, type LatticeParams } from "./params.js";
import { trainLattice } from "./train/train.js";

const config: LatticeConfig = {
  form: "lattice",
  width: 32,
  heads: 2,
  videoLayers: 2,
  latentLayers: 2,
  decoderLayers: 3,
  channels: 8,
};

async function peakOf(run: () => Promise<unknown>): Promise<number> {
  const { peakBytes } = await profile(async () => {
    await run();
    return [];
  });
  return peakBytes;
}

describeEachBackend("the estimate of memory for the lattice form", () => {
  it("covers the peak of encoding and decoding, and not more than twice", { timeout: 60_000 }, async () => {
    for (const size of [
      { frames: 8, height: 48, width: 64 },
      { frames: 32, height: 24, width: 24 },
    ]) {
      const before = memory().numBytes;
      using tokenizer = LatticeCoordTok.create(config);
      const { encoder, decoder } = tokenizer.params;
      const halves = {
        encode: LatticeCoordTok.from(config, { encoder }),
        decode: LatticeCoordTok.from(config, { decoder }),
      };
      const clip = clipFromRgb([rampClip({ frameCount: size.frames, height: size.height, width: size.width })]);
      const triplane = halves.encode.encode(clip);
      const weights = (task: "encode" | "decode"): number => estimateLatticeMemory(config, { task, size }).weightBytes;
      expect(memory().numBytes - before).toBeGreaterThan(weights("encode") + weights("decode"));
      for (const task of ["encode", "decode"] as const) {
        // The memory of the other half, and for decoding that of the clip, is not part of the work.
        const others =
          before + weights(task === "encode" ? "decode" : "encode") + (task === "decode" ? clip.frames.size * 4 : 0);
        const peak = await peakOf(async () => {
          if (task === "encode") disposeTree(halves.encode.encode(clip));
          else (await halves.decode.decode(triplane)).frames.dispose();
        });
        const ratio = estimateLatticeMemory(config, { task, size }).totalBytes / (peak - others);
        expect([size, task, ratio > 0.95 && ratio < 2 ? "within 0.95 to 2 of the peak" : ratio]).toEqual([
          size,
          task,
          "within 0.95 to 2 of the peak",
        ]);
      }
      disposeTree([clip.frames, triplane]);
    }
  });

  it("covers the peak of refinement, and not more than twice", { timeout: 60_000 }, async () => {
    for (const size of [
      { frames: 8, height: 48, width: 64 },
      { frames: 32, height: 24, width: 24 },
      { frames: 8, height: 200, width: 200 },
    ]) {
      const before = memory().numBytes;
      using tokenizer = LatticeCoordTok.create(config, { seed: 1 });
      const clip = clipFromRgb([rampClip({ frameCount: size.frames, height: size.height, width: size.width })]);
      const triplane = tokenizer.encode(clip);
      const peak = await peakOf(async () => {
        disposeTree((await refine(tokenizer, clip, triplane, { steps: 2 })).triplane);
      });
      const ratio = estimateLatticeMemory(config, { task: "refine", size }).totalBytes / (peak - before);
      expect([size, ratio > 0.95 && ratio < 2 ? "within 0.95 to 2 of the peak" : ratio]).toEqual([
        size,
        "within 0.95 to 2 of the peak",
      ]);
      disposeTree([clip.frames, triplane]);
    }
  });

  it("covers the peak of training, and not more than twice", async () => {
    for (const size of [
      { frames: 8, height: 40, width: 48, clips: 1 },
      { frames: 32, height: 24, width: 24, clips: 1 },
      { frames: 8, height: 16, width: 24, clips: 3 },
    ]) {
      const before = memory().numBytes;
      const from = createLatticeParams(config, 1);
      const shape = { ...size, share: 1 };
      const settings = { shapes: [shape], firstShapes: [shape], totalSteps: 2, decodedBlocks: 4 };
      const clips = [rampClip({ frameCount: size.frames, height: size.height, width: size.width })];
      let state: TrainState<LatticeParams> | undefined;
      const peak = await peakOf(async () => {
        for await (const step of trainLattice({ config, clips, settings, from })) state = step.state;
      });
      disposeTrainState(state!);
      expect(memory().numBytes).toBe(before);
      const work = { task: "train", size, clips: size.clips, blocks: Math.min(4, size.frames / 4) } as const;
      const ratio = estimateLatticeMemory(config, work).totalBytes / (peak - before);
      expect([size, ratio > 0.95 && ratio < 2 ? "within 0.95 to 2 of the peak" : ratio]).toEqual([
        size,
        "within 0.95 to 2 of the peak",
      ]);
    }
  }, 120_000);
});

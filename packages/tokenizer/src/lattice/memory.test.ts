import { clipFromRgb, disposeTree } from "@coordtok/core";
import { describeEachBackend } from "@coordtok/tools";
import { memory, profile } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { rampClip } from "../testdata.js";
import type { LatticeConfig } from "./config.js";
import { LatticeCoordTok } from "./lattice-coordtok.js";
import { estimateLatticeMemory } from "./memory.js";

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
});

import { clipFromRgb, CoordTokError, disposeTree, Random } from "@coordtok/core";
import { randomInitializer } from "@coordtok/core/nn";
import { disposeTrainState, type TrainState } from "@coordtok/core/train";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { memory, profile } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { CoordTok, encodeTokenizer, estimateMemory, preset, type MemoryWork } from "./index.js";
import {
  createDecoderParams,
  createEncoderParams,
  createParams,
  decode,
  encode,
  type TokenizerParams,
} from "./model/index.js";
import { refine } from "./refine/index.js";
import { trainDefaults, trainTokenizer } from "./train/index.js";
import { rampClip } from "./testdata.js";

const config = preset("test");

async function peakOf(run: () => Promise<unknown>): Promise<number> {
  const { peakBytes } = await profile(async () => {
    await run();
    return [];
  });
  return peakBytes;
}

describeEachBackend("the estimate of memory", () => {
  const withinReason = (peak: number, work: MemoryWork): void => {
    const ratio = estimateMemory(config, work).totalBytes / peak;
    expect([work.task, ratio > 0.95 && ratio < 2 ? "within 0.95 to 2 of the peak" : ratio]).toEqual([
      work.task,
      "within 0.95 to 2 of the peak",
    ]);
  };

  it("covers the peak of refinement, and not more than twice", { timeout: 60_000 }, async () => {
    const others = memory().numBytes;
    using tokenizer = CoordTok.create(config, { seed: 1 });
    const clip = clipFromRgb([rampClip({ frameCount: 16 })]);
    const triplane = tokenizer.encode(clip);
    const peak = await peakOf(async () => {
      disposeTree((await refine(tokenizer, clip, triplane, { steps: 2 })).triplane);
    });
    withinReason(peak - others, { task: "refine" });
    disposeTree([clip.frames, triplane]);
  });

  it("covers the peak of encoding, decoding and training, and not more than twice", { timeout: 60_000 }, async () => {
    const others = memory().numBytes;
    const encoder = createEncoderParams(config, randomInitializer(new Random(1)));
    const clip = clipFromRgb([rampClip({ frameCount: 16 })]);
    const triplane = encode(encoder, config, clip);
    const encodePeak = await peakOf(() => {
      disposeTree(encode(encoder, config, clip));
      return Promise.resolve();
    });
    disposeTree([encoder, clip.frames]);
    withinReason(encodePeak - others, { task: "encode" });

    const decoder = createDecoderParams(config, randomInitializer(new Random(1)));
    const decodePeak = await peakOf(async () => {
      const decoded = await decode(decoder, config, triplane, { sliceSize: 128 });
      decoded.frames.dispose();
    });
    disposeTree([decoder, triplane]);
    withinReason(decodePeak - others, { task: "decode", sliceSize: 128 });

    const settings = { ...trainDefaults, totalSteps: 2, batchSize: 2, pointsPerClip: 64 };
    let state: TrainState<TokenizerParams> | undefined;
    const trainPeak = await peakOf(async () => {
      for await (const step of trainTokenizer({ config, clips: [rampClip({ frameCount: 20 })], settings, seed: 1 }))
        state = step.state;
    });
    disposeTrainState(state!);
    withinReason(trainPeak - others, { task: "train", clips: 2, points: 64 });
    expect(memory().numBytes).toBe(others);
  });
});

describe("a tokenizer loaded by halves", () => {
  const bytes = async (): Promise<Blob> => {
    const params = createParams(config, 5);
    const parts: Uint8Array[] = [];
    for await (const chunk of encodeTokenizer(config, params)) parts.push(chunk);
    disposeTree(params);
    return new Blob(parts as BlobPart[]);
  };

  it("holds only the weights of its half, gives the same triplane, and says what it cannot do", async () => {
    const file = await bytes();
    const { weightBytes } = estimateMemory(config, { task: "encode" });
    using whole = await CoordTok.load(file);
    const before = memory().numBytes;
    using half = await CoordTok.load(file, { part: "encoder" });
    expect(memory().numBytes - before).toBe(weightBytes);
    const clip = clipFromRgb([rampClip({ frameCount: 16 })]);
    const [one, other] = [whole.encode(clip), half.encode(clip)];
    expect(await other.xt.data()).toEqual(await one.xt.data());
    await expect(half.decode(other)).rejects.toThrow(/loaded without its decoder/);
    expect(() => half.params).toThrow(CoordTokError);
    disposeTree([one, other, clip.frames]);
  });

  it("reads no weight when the configuration is refused", async () => {
    const file = await bytes();
    await expectNoLeak(async () => {
      const refused = CoordTok.load(file, {
        onConfig: () => {
          throw new CoordTokError("memory", "Too large.");
        },
      });
      await expect(refused).rejects.toThrow("Too large.");
    });
  });
});

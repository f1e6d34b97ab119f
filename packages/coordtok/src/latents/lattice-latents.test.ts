import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import { clipFromRgb, disposeTree } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { overrideConfig, preset } from "@coordtok/diffusion";
import { latticePreset, LatticeCoordTok } from "@coordtok/tokenizer";
import { encodeLatticeCheckpoint } from "@coordtok/tokenizer/lattice";
import { normalize, triplaneShape } from "@coordtok/triplane";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { probe, readClip, writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeFile } from "../inspect/describe-file.js";
import { clipOfSample } from "../sample/decode-samples.js";
import { sampleVideos } from "../sample/sample-videos.js";
import { trainOnLatents } from "../train/train-on-latents.js";
import { encodeDataset } from "./encode-dataset.js";
import { openLatents } from "./open-latents.js";

let folder = "";
const within = (...names: string[]): string => join(folder, ...names);
const backend = "wasm";
const geometry = { size: { height: 16, width: 32 }, windowFrames: 8, content: 4, motion: 2 } as const;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-lattice-latents-"));
  await mkdir(within("films"));
  for (const seed of [1, 2]) {
    const clip = syntheticClip({ frames: 16, height: 24, width: 32, seed });
    await writeVideo(within("films", `${seed}.mp4`), framesFromClip(clip, 25), { fps: 25 });
  }
  await loadBackend(backend);
  using tokenizer = LatticeCoordTok.create(latticePreset("test"), { seed: 1 });
  await writeAtomically(within("tokenizer.safetensors"), encodeLatticeCheckpoint(tokenizer.config, tokenizer.params));
  const made = await encodeDataset(within("films"), {
    backend,
    checkpoint: within("tokenizer.safetensors"),
    out: within("latents"),
    ...geometry,
  });
  // 2 films of two clips; 2 x 4 cells of xy, 2 x 4 of yt, 2 x 2 of xt.
  expect(made).toMatchObject({ clips: 4, tokens: 8 + 8 + 4 });
}, 120_000);

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("latents of the lattice form", { timeout: 120_000 }, () => {
  it("hold the channels of the budget, and decode to what the tokenizer decodes", async () => {
    await using latents = await openLatents(within("latents"));
    expect(latents.index.settings).toMatchObject({
      clipFrames: 8,
      clipHeight: 16,
      clipWidth: 32,
      content: 4,
      motion: 2,
    });
    const { statistics } = latents.index;
    expect(statistics.xy.squares.every((squares) => squares > 0)).toBe(true);
    expect(statistics.yt.squares.map((squares) => squares > 0)).toEqual([true, true, false, false]);
    const { triplane } = await latents.get(0);
    expect(triplaneShape(triplane)).toEqual({ batch: 1, time: 2, rows: 2, columns: 4, channels: 4 });

    const tokenizer = LatticeCoordTok.create(latticePreset("test"), { seed: 1 });
    const { clip } = await readClip(within("films", "1.mp4"), { size: geometry.size, length: 8 });
    const tensors = clipFromRgb([clip]);
    const encoded = tokenizer.encode(tensors, { budget: { content: 4, motion: 2 } });
    const decoded = await tokenizer.decode(encoded);
    const planes = normalize(triplane, statistics);
    const again = await clipOfSample({ planes }, statistics, tokenizer);
    expect(again).toMatchObject({ frameCount: 8, height: 16, width: 32 });
    const wanted = await decoded.frames.data();
    for (let i = 0; i < wanted.length; i += 97)
      expect(Math.abs(again.data[i]! - Math.min(255, Math.max(0, (wanted[i]! + 1) * 127.5)))).toBeLessThan(1.1);
    disposeTree([tensors.frames, encoded, decoded.frames, planes, triplane]);
    tokenizer.dispose();
  });

  it("train a generator whose samples are videos of their size", async () => {
    expect(await describeFile(within("latents"))).toMatchObject({ what: "latents", index: { clips: 4 } });
    const trained = await trainOnLatents(within("latents"), {
      backend,
      out: within("run"),
      config: (planes, classes) => overrideConfig(preset("test/2", { planes, classes }), ["depth=1"]),
      settings: { totalSteps: 2, batchSize: 2 },
      previewEvery: 2,
    });
    expect(trained).toMatchObject({ step: 2, clips: 4 });
    expect(await probe(within("run", "previews", "step-000002.mp4"))).toMatchObject({ frameCount: 8 });
    const sampled = await sampleVideos(within("run"), { backend, out: within("samples"), count: 2, steps: 2 });
    expect(sampled.frames).toBe(8);
    expect(await probe(sampled.videos[1]!)).toMatchObject({ width: 32, height: 16, frameCount: 8 });
  });

  it("are not made at sizes that are not whole blocks, and not mixed with those of another budget", async () => {
    const refused = async (options: object): Promise<unknown> =>
      encodeDataset(within("films"), {
        backend,
        checkpoint: within("tokenizer.safetensors"),
        out: within("latents"),
        ...geometry,
        ...options,
      }).catch((thrown: unknown) => thrown);
    expect(await refused({ size: { height: 20, width: 32 } })).toMatchObject({
      code: "config",
      message: expect.stringContaining("a height of clips that is a multiple of 8, got 20") as string,
    });
    expect(await refused({ content: 9 })).toMatchObject({ code: "config" });
    expect(await refused({ motion: 4 })).toMatchObject({
      code: "file-exists",
      message: expect.stringContaining("motion 2 instead of 4") as string,
    });
  });
});

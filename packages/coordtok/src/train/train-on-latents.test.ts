import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import { writeAtomically } from "@coordtok/core/node";
import { overrideConfig, preset } from "@coordtok/diffusion";
import { CoordTok, encodeTokenizer, preset as tokenizerPreset } from "@coordtok/tokenizer";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { probe, writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeDataset } from "../latents/encode-dataset.js";
import { sampleVideos } from "../sample/sample-videos.js";
import { trainOnLatents } from "./train-on-latents.js";

const backend = "wasm";
let folder = "";
const within = (...names: string[]): string => join(folder, ...names);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-train-on-latents-"));
  await mkdir(within("films"));
  const clip = syntheticClip({ frames: 32, height: 40, width: 32, seed: 1 });
  await writeVideo(within("films", "1.mp4"), framesFromClip(clip, 25), { fps: 25 });
  await loadBackend(backend);
  const config = tokenizerPreset("test");
  using tokenizer = CoordTok.create(config, { seed: 1 });
  const checkpoint = within("tokenizer.safetensors");
  await writeAtomically(checkpoint, encodeTokenizer(config, tokenizer.params));
  await encodeDataset(within("films"), { backend, checkpoint, out: within("latents") });
}, 120_000);

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("training of a generator on latents", { timeout: 240_000 }, () => {
  it("uses Muon if it is told to, resumes with it and with no other optimizer, and samples", async () => {
    await trainOnLatents(within("latents"), {
      backend,
      out: within("run"),
      config: (planes, classes) => overrideConfig(preset("test/2", { planes, classes }), ["depth=1"]),
      settings: { totalSteps: 2, batchSize: 2, optimizer: "muon" },
      previewEvery: 0,
    });
    const resume = { backend, resume: within("run") } as const;
    await expect(
      trainOnLatents(undefined, { ...resume, settings: { totalSteps: 4, optimizer: "adamw" } }),
    ).rejects.toMatchObject({
      code: "usage",
      message: expect.stringContaining("uses the optimizer muon and cannot continue with adamw") as string,
    });
    expect(await trainOnLatents(undefined, { ...resume, settings: { totalSteps: 3 } })).toMatchObject({ step: 3 });
    const sampled = await sampleVideos(within("run"), { backend, out: within("samples"), steps: 2 });
    expect(await probe(sampled.videos[0]!)).toMatchObject({ width: 32, height: 32, frameCount: 16 });
  });
});

import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { probe, readClip, writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { interruptOnceThereIs, runCli } from "./testdata/run-cli.js";

const common = ["--backend", "wasm"];
let folder = "";

const run = (...args: string[]): ReturnType<typeof runCli> => runCli([...args, ...common], { cwd: folder });
const bytesOf = (path: string): Promise<Buffer> => readFile(join(folder, path));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-generate-"));
  for (const [seed, name] of ["juggling", "walking"].entries()) {
    await mkdir(join(folder, "films", name), { recursive: true });
    const clip = syntheticClip({ frames: 48, height: 40, width: 56, seed });
    await writeVideo(join(folder, "films", name, "a.mp4"), framesFromClip(clip, 25), { fps: 25 });
  }
  const tokenizer = ["--preset", "test", "--points", "32", "--steps", "4", "--out", "tokenizer"];
  expect((await run("train-tokenizer", "films", ...tokenizer)).code).toBe(0);
  expect((await run("encode-dataset", "films", "--checkpoint", "tokenizer", "--out", "latents")).code).toBe(0);
}, 120_000);

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("from latents to sampled clips", { timeout: 120_000 }, () => {
  const train = [
    "train-diffusion",
    "latents",
    "--preset",
    "test/2",
    "--batch",
    "2",
    "--steps",
    "60",
    "--preview-every",
    "0",
  ];

  it("training that is stopped by Ctrl-C and resumed ends with the same bits as without a stop", async () => {
    const stopped = await runCli([...train, ...common, "--save-every", "5", "--out", "stopped"], {
      cwd: folder,
      onStart: interruptOnceThereIs(join(folder, "stopped/checkpoints/step-000005.safetensors")),
    });
    expect([stopped.code, stopped.stdout]).toEqual([130, ""]);
    expect(stopped.stderr).toContain("train-diffusion --resume stopped");
    const other = await run("train-diffusion", "--resume", "stopped", "--batch", "3");
    expect([other.code, other.stderr]).toEqual([
      2,
      expect.stringContaining(
        "2 clips in a micro-batch and cannot continue with 3; leave this option out or start a new training (--batch)",
      ),
    ]);
    expect((await run("train-diffusion", "--resume", "stopped", "--preview-every", "0")).code).toBe(0);
    expect((await run(...train, "--out", "whole")).code).toBe(0);
    const file = "checkpoints/step-000060.safetensors";
    expect((await bytesOf(`stopped/${file}`)).equals(await bytesOf(`whole/${file}`))).toBe(true);
  });

  it("samples depend only on seed and number, not on the batch, and are not overwritten", async () => {
    const sample = ["sample", "whole", "--steps", "3", "--seed", "5"];
    const all = await run(...sample, "--count", "3", "--out", "all", "--json");
    expect(JSON.parse(all.stdout)).toMatchObject({ classes: ["juggling", "walking", "juggling"], frames: 16 });
    expect((await readdir(join(folder, "all"))).sort()).toEqual([
      "sample-0000.mp4",
      "sample-0001.mp4",
      "sample-0002.mp4",
      "strip.png",
    ]);
    expect((await run(...sample, "--first", "2", "--out", "alone")).code).toBe(0);
    const last = "sample-0002.mp4";
    expect(await probe(join(folder, "alone", last))).toMatchObject({ width: 32, height: 32, frameCount: 16 });
    const [together, alone] = await Promise.all(["all", "alone"].map((name) => readClip(join(folder, name, last))));
    const differences = together!.clip.data.map((value, i) => Math.abs(value - alone!.clip.data[i]!));
    expect(Math.max(...differences)).toBeLessThanOrEqual(2);
    const again = await run(...sample, "--count", "3", "--out", "all");
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("--overwrite")]);
    const unknown = await run(...sample, "--class", "walkin", "--out", "none");
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('did you mean "walking"')]);
  });
});

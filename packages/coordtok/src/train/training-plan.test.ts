import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jsonText } from "@coordtok/core/text";
import { preset as sitPreset } from "@coordtok/diffusion";
import { preset } from "@coordtok/tokenizer";
import { trainDefaults } from "@coordtok/tokenizer/train";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseGeneratorRecord } from "./generator-plan.js";
import { parseAnyRecord } from "./tokenizer-plan.js";
import { findRun } from "./training-plan.js";

const settings = { ...trainDefaults, clipNorm: Infinity };
const tokenizer = { config: preset("test"), settings, seed: 3, videos: ["/a.mp4"], validation: [] };
const model = sitPreset("test/2", { planes: { time: 4, rows: 4, columns: 4, channels: 2 }, classes: 1 });
const generator = {
  latents: "/latents",
  tokenizer: "/tokenizer.safetensors",
  model,
  flow: { path: "linear", prediction: "velocity" },
  settings,
  seed: 1,
};
let folder = "";

async function runFolder(name: string, config: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, "checkpoints"), { recursive: true });
  await writeFile(join(path, "config.json"), config);
  await writeFile(join(path, "checkpoints", "step-000002.safetensors"), "not read here");
  return path;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-plan-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("the run folder of a training", () => {
  it("is the requested folder, or one named after the time", async () => {
    expect(await findRun({ out: "here" }, parseAnyRecord)).toMatchObject({ path: "here", resumed: undefined });
    expect((await findRun({}, parseAnyRecord)).path).toMatch(/^runs\/\d{4}(-\d\d){5}$/);
  });

  it("is that of the training to resume, given by its path or by a checkpoint in it", async () => {
    const path = await runFolder("run", jsonText(tokenizer, 2));
    const checkpoint = join(path, "checkpoints", "step-000002.safetensors");
    const resumed = { checkpoints: [checkpoint], record: tokenizer };
    for (const resume of [path, checkpoint]) {
      await using found = await findRun({ resume }, parseAnyRecord);
      expect(found).toMatchObject({ path, resumed });
      await expect(findRun({ resume }, parseAnyRecord)).rejects.toMatchObject({
        code: "file-exists",
        sentence: expect.stringContaining(`"${path}" is in use: process ${process.pid}`) as string,
      });
    }
    const other = await runFolder("generator", jsonText(generator));
    await using found = await findRun({ resume: other }, parseGeneratorRecord);
    expect(found.resumed?.record).toEqual(generator);
  });

  it("cannot be that of another kind of training, or one whose configuration is damaged", async () => {
    const { videos, ...lacking } = tokenizer;
    for (const [name, config, parse] of [
      ["crossed", jsonText(generator), parseAnyRecord],
      ["turned", jsonText(tokenizer), parseGeneratorRecord],
      ["cut", jsonText(tokenizer).slice(0, 100), parseAnyRecord],
      ["empty", "null", parseAnyRecord],
      ["lacking", jsonText(lacking), parseAnyRecord],
      ["number", jsonText({ ...tokenizer, videos: [1] }), parseAnyRecord],
    ] as const) {
      const resume = await runFolder(name, config);
      await expect(findRun<object>({ resume }, parse), name).rejects.toMatchObject({
        code: "checkpoint",
        message: expect.stringMatching(
          /is not the folder of such a training: its config\.json is missing or damaged: \S/,
        ) as string,
      });
    }
    expect(videos).toHaveLength(1);
  });

  it("takes no seed for a resumed training", async () => {
    const resume = await runFolder("seeded", jsonText(tokenizer));
    await expect(findRun({ resume, seed: 1 }, parseAnyRecord)).rejects.toMatchObject({ code: "usage" });
  });
});

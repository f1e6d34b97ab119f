import { copyFile, cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { preset } from "@coordtok/tokenizer";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { trainOnVideos, type TrainReport } from "./train-on-videos.js";

let folder = "";
const at = (...names: string[]): string => join(folder, ...names);
const backend = "wasm";

function train(totalSteps: number, options: Parameters<typeof trainOnVideos>[1]): Promise<TrainReport> {
  const settings = { pointsPerClip: 16, batchSize: 1, totalSteps, warmupSteps: 0 };
  const start = options.resume === undefined ? { config: preset("test") } : {};
  return trainOnVideos(options.resume === undefined ? [at("a.mp4")] : [], {
    ...start,
    saveEvery: 2,
    backend,
    ...options,
    settings: { ...settings, ...options.settings },
  });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-run-"));
  const clip = syntheticClip({ frames: 16, height: 32, width: 32 });
  await writeVideo(at("a.mp4"), framesFromClip(clip, 25), { fps: 25 });
  await train(4, { out: at("run") });
  await train(4, { out: at("other"), seed: 1, config: preset("test") });
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const damages: Readonly<Record<string, (file: string, name: string) => Promise<void>>> = {
  deleted: (file) => rm(file),
  truncated: async (file) => truncate(file, Math.floor((await stat(file)).size / 2)),
  "filled with zeros": async (file) => writeFile(file, new Uint8Array((await stat(file)).size)),
  "swapped with that of another training": (file, name) => copyFile(at("other", name), file),
};
const files = [
  "config.json",
  "checkpoints/config.json",
  "versions.json",
  "metrics.jsonl",
  "curve.png",
  "curve.svg",
  ".coordtok.json",
  "checkpoints/step-000004.safetensors",
];

describe.each(files)("%s of a training", (name) => {
  it.each(Object.keys(damages))("%s, does not keep it from being resumed", { timeout: 60_000 }, async (damage) => {
    const run = at(`${name.replace("/", "-")} ${damage}`);
    await cp(at("run"), run, { recursive: true });
    await damages[damage]!(join(run, name), name);
    const warnings: string[] = [];
    const options = { resume: run, onWarning: (line: string) => warnings.push(line) };
    const isForeign = name.endsWith("config.json") && damage.startsWith("swapped");
    if (isForeign) {
      await expect(train(5, options)).rejects.toMatchObject({ code: "checkpoint", options: { repair: true } });
      await train(5, { ...options, repair: true });
    } else await train(5, options);
    const { seed } = JSON.parse(await readFile(join(run, "config.json"), "utf8")) as { seed: number };
    // The repair takes the copy, whichever of the two was foreign.
    expect(seed).toBe(isForeign && name.startsWith("checkpoints") ? 1 : 0);
    const lines = (await readFile(join(run, "metrics.jsonl"), "utf8")).trim().split("\n");
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ step: 5 });
    expect(await readdir(join(run, "checkpoints"))).toContain("step-000005.safetensors");
  });
});

describe("a training without a good checkpoint", () => {
  it(
    "starts from its beginning if it was killed before the first, and takes the same steps",
    { timeout: 60_000 },
    async () => {
      const run = at("early");
      await cp(at("run"), run, { recursive: true });
      for (const step of ["2", "4"]) await rm(join(run, "checkpoints", `step-00000${step}.safetensors`));
      await expect(train(4, { out: run })).rejects.toMatchObject({ code: "file-exists", options: { resume: run } });
      const notes: string[] = [];
      await train(4, { resume: run, onNote: (line) => notes.push(line) });
      expect(notes.join("\n")).toContain("starts from its beginning");
      const name = "checkpoints/step-000004.safetensors";
      expect((await readFile(join(run, name))).equals(await readFile(at("run", name)))).toBe(true);
    },
  );

  it("starts over with repair if none can be read, and keeps what was there", { timeout: 60_000 }, async () => {
    const run = at("ruined");
    await cp(at("run"), run, { recursive: true });
    for (const step of ["2", "4"]) await writeFile(join(run, "checkpoints", `step-00000${step}.safetensors`), "");
    await expect(train(5, { resume: run })).rejects.toMatchObject({ code: "checkpoint", options: { repair: true } });
    await train(5, { resume: run, repair: true });
    expect(await readdir(`${run}-abandoned-1/checkpoints`)).toEqual([
      "step-000002.safetensors",
      "step-000004.safetensors",
    ]);
  });
});

describe("a full disk", () => {
  it("at a picture does not end the training", { timeout: 60_000 }, async () => {
    const run = at("pictures");
    await cp(at("run"), run, { recursive: true });
    await rm(join(run, "curve.png"));
    await import("node:fs/promises").then(({ mkdir }) =>
      mkdir(join(run, "curve.png", "in the way"), { recursive: true }),
    );
    const warnings: string[] = [];
    const report = await train(7, { resume: run, onWarning: (line) => warnings.push(line) }).catch(
      (thrown: unknown) => thrown,
    );
    expect(report).toMatchObject({ step: 7 });
    expect(warnings.filter((line) => line.includes("goes on without its pictures"))).toHaveLength(1);
  });
});

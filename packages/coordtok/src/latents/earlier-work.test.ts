import { cp, mkdir, mkdtemp, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { prepareBackend } from "@coordtok/backend";
import { openSafetensors } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { CoordTok, encodeTokenizer, preset } from "@coordtok/tokenizer";
import { disposeTriplane } from "@coordtok/triplane";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeDataset, type EncodeDatasetOptions, type EncodeDatasetReport } from "./encode-dataset.js";
import { readIndex, writeIndex } from "./index-file.js";
import { openLatents } from "./open-latents.js";

let root = "";
const at = (...names: string[]): string => join(root, ...names);

/** Videos of 32 frames, of which each seed gives other pixels. */
async function video(path: string, seed: number, frames = 32): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const made = framesFromClip(syntheticClip({ frames, height: 32, width: 32, seed }), 25);
  await writeVideo(path, made, { fps: 25, overwrite: true });
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "coordtok-earlier-"));
  await prepareBackend("inference", { backend: "wasm" });
  const config = preset("test");
  using model = CoordTok.create(config, { seed: 5 });
  await writeAtomically(at("model.safetensors"), encodeTokenizer(config, model.params));
  for (const [name, seed] of [
    ["A/cats/a.mp4", 1],
    ["A/cats/b.mp4", 2],
    ["A/dogs/c.mp4", 3],
  ] as const)
    await video(at(name), seed);
});

afterAll(async () => {
  await rm(root, { recursive: true });
});

interface Told {
  readonly report: EncodeDatasetReport;
  readonly warnings: string[];
  readonly notes: string[];
}

async function encode(folder: string, out: string, options: Partial<EncodeDatasetOptions> = {}): Promise<Told> {
  const [warnings, notes]: [string[], string[]] = [[], []];
  const report = await encodeDataset(at(folder), {
    checkpoint: at("model.safetensors"),
    out: at(out),
    backend: "wasm",
    shardSize: 3,
    onWarning: (text) => void warnings.push(text),
    onNote: (text) => void notes.push(text),
    ...options,
  });
  return { report, warnings, notes };
}

/** The clips by video and start, each as the sum of its values. */
async function sums(out: string): Promise<ReadonlyMap<string, number>> {
  await using latents = await openLatents(at(out));
  const found = new Map<string, number>();
  for (let i = 0; i < latents.length; i++) {
    const { triplane, labels } = await latents.get(i);
    const values = (await triplane.xy.data()) as Float32Array;
    disposeTriplane(triplane);
    found.set(
      `${labels.join()} ${i}`,
      values.reduce((sum, value) => sum + value, 0),
    );
  }
  return found;
}

async function copied(name: string): Promise<string> {
  await cp(at("A"), at(name), { recursive: true, preserveTimestamps: true });
  return name;
}

describe("a dataset that is encoded again", { timeout: 240_000 }, () => {
  it("encodes a replaced video anew, says so, and keeps the clips of the others", async () => {
    const folder = await copied("replaced");
    await encode(folder, "replaced-latents");
    await video(at(folder, "cats/b.mp4"), 9);
    const { report, warnings } = await encode(folder, "replaced-latents");
    expect(report).toMatchObject({ clips: 6, encoded: 2, complete: true, classes: ["cats", "dogs"] });
    expect(warnings).toEqual([expect.stringContaining("1 video of") as string]);
    expect(warnings[0]).toContain("cats/b.mp4");
    await encode(folder, "fresh-latents");
    const sorted = async (out: string): Promise<number[]> => [...(await sums(out)).values()].sort((a, b) => a - b);
    expect(await sorted("replaced-latents")).toEqual(await sorted("fresh-latents"));
    expect(await encode(folder, "replaced-latents")).toMatchObject({ report: { encoded: 0, clips: 6 }, warnings: [] });
  });

  it("takes a copy of the videos with other times for the same ones", async () => {
    const folder = await copied("touched");
    await encode(folder, "touched-latents");
    await utimes(at(folder, "cats/a.mp4"), 1, 1);
    expect(await encode(folder, "touched-latents")).toMatchObject({ report: { encoded: 0 }, warnings: [] });
  });

  it("refuses another folder of the same names, and one of other names", async () => {
    await encode("A", "of-A");
    for (const [name, seed] of [
      ["B/cats/a.mp4", 11],
      ["B/cats/b.mp4", 12],
      ["B/dogs/c.mp4", 13],
      ["C/cats/x.mp4", 11],
    ] as const)
      await video(at(name), seed);
    const before = await readFile(at("of-A/index.json"), "utf8");
    await expect(encode("B", "of-A")).rejects.toMatchObject({
      code: "file-exists",
      message: expect.stringMatching(/latents of other videos.*cats\/a\.mp4 has another content/) as string,
    });
    await expect(encode("C", "of-A")).rejects.toThrow(/latents of other videos.*cats\/a\.mp4 is not among them/);
    expect(await readFile(at("of-A/index.json"), "utf8")).toBe(before);
  });

  it("names videos that are gone, whose latents stay", async () => {
    const folder = await copied("fewer");
    await encode(folder, "fewer-latents");
    await rm(at(folder, "dogs/c.mp4"));
    const { report, warnings } = await encode(folder, "fewer-latents");
    expect(report).toMatchObject({ clips: 6, encoded: 0 });
    expect(warnings.join()).toMatch(/also holds latents of 1 video .*dogs\/c\.mp4/);
  });

  it("counts videos without a record as unchanged, and says so", async () => {
    const folder = await copied("older");
    await encode(folder, "older-latents");
    for (const shard of ["shard-00000", "shard-00001"])
      await withoutSources(at("older-latents", `${shard}.safetensors`));
    await video(at(folder, "cats/b.mp4"), 9);
    const { report, warnings, notes } = await encode(folder, "older-latents");
    expect(report).toMatchObject({ encoded: 0 });
    expect(warnings).toEqual([]);
    expect(notes.join()).toContain("The contents of 3 videos were not recorded");
  });
});

/** A shard as versions without the record wrote it. */
async function withoutSources(path: string): Promise<void> {
  const bytes = await readFile(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as { __metadata__: Record<string, string> };
  delete header.__metadata__["sources"];
  const text = JSON.stringify(header).padEnd(length, " ");
  bytes.write(text, 8);
  await writeFile(path, bytes);
  await openSafetensors(bytes);
}

describe("classes of a dataset", { timeout: 240_000 }, () => {
  it("are the paths of the folders, so that good cats are no good dogs", async () => {
    for (const [name, seed] of [
      ["nested/cats/good/a.mp4", 1],
      ["nested/dogs/good/a.mp4", 2],
    ] as const)
      await video(at(name), seed, 16);
    expect((await encode("nested", "nested-latents")).report.classes).toEqual(["cats/good", "dogs/good"]);
  });

  it("are refused where one video is in none, naming it, unless none are asked for", async () => {
    const folder = await copied("loose");
    await video(at(folder, "stray.mp4"), 7, 16);
    await expect(encode(folder, "loose-latents")).rejects.toMatchObject({
      code: "input",
      message: expect.stringContaining("stray.mp4 is in none, beside 3 videos in folders") as string,
    });
    expect((await encode(folder, "loose-latents", { labels: "none" })).report.classes).toEqual([]);
  });

  it("do not change for clips that are encoded: not by moving a video, not by leaving labels out", async () => {
    const folder = await copied("moved");
    await encode(folder, "moved-latents");
    await expect(encode(folder, "moved-latents", { labels: "none" })).rejects.toThrow(
      /cats\/a\.mp4 has the class "cats" .* and would now have no class/,
    );
    await rename(at(folder, "cats/b.mp4"), at(folder, "dogs/b.mp4"));
    const { report, warnings } = await encode(folder, "moved-latents");
    // Under its new name it is another video.
    expect(report).toMatchObject({ encoded: 2, clips: 8 });
    expect(warnings.join()).toContain("cats/b.mp4");
  });

  it("that a clip lacks are an error, not the first class", async () => {
    await encode("A", "unlabelled", { labels: "none" });
    const index = await readIndex(at("unlabelled"));
    await writeIndex(at("unlabelled"), { ...index, classes: ["cats"] });
    await expect(openLatents(at("unlabelled"))).rejects.toThrow(/The clip of cats\/a\.mp4 .* has no class/);
  });
});

describe("a video of which only a part decodes", { timeout: 240_000 }, () => {
  it("is used and listed, skipped, or ends the run, as asked", async () => {
    await video(at("damaged/good.mkv"), 1, 16);
    await video(at("damaged/half.mkv"), 2, 64);
    const bytes = await readFile(at("damaged/half.mkv"));
    await writeFile(at("damaged/half.mkv"), bytes.subarray(0, Math.floor(bytes.length * 0.7)));
    const used = await encode("damaged", "damaged-use");
    expect(used.report).toMatchObject({ skipped: [], damaged: [{ video: "half.mkv" }] });
    expect(used.report.clips).toBeGreaterThan(1);
    expect((await readIndex(at("damaged-use"))).damaged).toEqual(used.report.damaged);
    expect((await encode("damaged", "damaged-use")).report.damaged).toEqual(used.report.damaged);
    const skipped = await encode("damaged", "damaged-skip", { damaged: "skip" });
    expect(skipped.report).toMatchObject({ clips: 1, damaged: [], skipped: [{ video: "half.mkv" }] });
    expect(skipped.report.skipped[0]!.reason).toMatch(/half\.mkv" is damaged: /);
    await expect(encode("damaged", "damaged-fail", { damaged: "fail" })).rejects.toMatchObject({ code: "file-format" });
  });
});

import { cp, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { measureVideos } from "./clip-plan.js";
import { evaluateReconstruction, mergeEvaluations, protocolOf, type EvaluateReconstructionOptions } from "./index.js";
import type { WrittenEvaluation } from "./finish.js";

let root = "";
const at = (...names: string[]): string => join(root, ...names);

async function video(path: string, seed: number, frames = 4): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const made = framesFromClip(syntheticClip({ frames, height: 32, width: 32, seed }), 25);
  await writeVideo(path, made, { fps: 25, overwrite: true });
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "coordtok-changed-"));
  await loadBackend("wasm");
  for (const [name, seed] of [
    ["a.mkv", 1],
    ["b.mkv", 2],
  ] as const) {
    await video(at(name), seed);
  }
});

afterAll(async () => {
  await rm(root, { recursive: true });
});

/** The videos a and b in a folder of their own, and what was made of them. */
async function folders(name: string): Promise<{ readonly videos: string; readonly others: string }> {
  const [videos, others] = [at(name, "videos"), at(name, "others")];
  for (const folder of [videos, others])
    for (const file of ["a.mkv", "b.mkv"]) await cp(at(file), join(folder, file), { preserveTimestamps: true });
  return { videos, others };
}

function evaluate(
  { videos, others }: { readonly videos: string; readonly others: string },
  out: string,
  options: Partial<EvaluateReconstructionOptions> = {},
): Promise<WrittenEvaluation> {
  return evaluateReconstruction([videos], {
    against: others,
    out: at(out),
    backend: "wasm",
    sanityClips: 0,
    ...options,
  });
}

const refused = (text: RegExp): unknown =>
  expect.objectContaining({ code: "file-exists", message: expect.stringMatching(text) as string });

describe("an evaluation that goes on", { timeout: 240_000 }, () => {
  it("refuses a replaced original and a replaced reconstruction by name, and measures anew when it may overwrite", async () => {
    const given = await folders("replaced");
    const before = await evaluate(given, "replaced-out");
    expect(before.report.measures["psnrDb"]!.mean).toBe(Infinity);
    await video(join(given.others, "b.mkv"), 7);
    await expect(evaluate(given, "replaced-out")).rejects.toEqual(
      refused(/other videos.*content of 1 video differs, the first is "b\.mkv"/),
    );
    const after = await evaluate(given, "replaced-out", { overwrite: true });
    expect(after.report.measures["psnrDb"]!.minimum).toBeLessThan(40);
    await video(join(given.videos, "a.mkv"), 8);
    await expect(evaluate(given, "replaced-out")).rejects.toEqual(refused(/the first is "a\.mkv"/));
  });

  it("takes a copy with another time for the same video", async () => {
    const given = await folders("touched");
    await evaluate(given, "touched-out");
    await utimes(join(given.videos, "a.mkv"), 1, 1);
    expect((await evaluate(given, "touched-out")).report.counts.reference).toBe(2);
  });

  it("says so where an older version recorded no content", async () => {
    const given = await folders("older");
    await evaluate(given, "older-out");
    const path = at("older-out", "settings.json");
    const settings = JSON.parse(await readFile(path, "utf8")) as Record<string, { contents?: unknown }>;
    for (const side of ["reference", "other"]) delete settings[side]!.contents;
    await writeFile(path, JSON.stringify(settings));
    const notes: string[] = [];
    await evaluate(given, "older-out", { onNote: (line) => void notes.push(line) });
    expect(notes.join()).toContain("did not record the content of videos");
  });
});

describe("parts of an evaluation", { timeout: 240_000 }, () => {
  it("are not merged when they measured other videos, and an earlier merge keeps no row of a part that was measured again", async () => {
    const given = await folders("parts");
    for (const index of [1, 2]) await evaluate(given, "divided", { part: { number: index, of: 2 } });
    const parts = [at("divided", "part-1of2"), at("divided", "part-2of2")];
    expect((await mergeEvaluations(parts, { out: at("merged") })).report.measures["psnrDb"]!.mean).toBe(Infinity);
    await video(join(given.others, "b.mkv"), 7);
    const again = evaluate(given, "divided", { part: { number: 2, of: 2 }, overwrite: true });
    await expect(again).rejects.toThrow("measured other videos");
    await expect(mergeEvaluations(parts, { out: at("merged") })).rejects.toThrow(
      /part-2of2" and ".*part-1of2" measured other videos: the content of 1 video differs, the first is "b\.mkv"/,
    );
    await evaluate(given, "divided", { part: { number: 1, of: 2 }, overwrite: true });
    await expect(mergeEvaluations(parts, { out: at("merged") })).rejects.toEqual(refused(/the first is "b\.mkv"/));
    const { report } = await mergeEvaluations(parts, { out: at("merged"), overwrite: true });
    expect(report.measures["psnrDb"]!.minimum).toBeLessThan(40);
    // Rows of an earlier merge are written anew even where the settings are the same.
    const lines = (await readFile(at("merged", "clips.jsonl"), "utf8")).trimEnd().split("\n");
    await writeFile(at("merged", "clips.jsonl"), `${lines[0]!.replace('"a.mkv"', '"stale"')}\n${lines[1]!}\n`);
    await mergeEvaluations(parts, { out: at("merged") });
    expect(await readFile(at("merged", "clips.jsonl"), "utf8")).toBe(`${lines.join("\n")}\n`);
  });
});

describe("frames that do not decode", { timeout: 240_000 }, () => {
  it("are not counted, and a video that has some is used and named, left out, or ends the call", async () => {
    await video(at("half", "good.mkv"), 1, 40);
    await video(at("half", "half.mkv"), 2, 64);
    const bytes = await readFile(at("half", "half.mkv"));
    await writeFile(at("half", "half.mkv"), bytes.subarray(0, Math.floor(bytes.length * 0.7)));
    const protocol = protocolOf("16-frame-windows");
    const videos = ["good", "half"].map((name) => ({ name, path: at("half", `${name}.mkv`) }));
    const found = await measureVideos(videos, protocol, { out: at("none") });
    expect(found.videos[0]).toMatchObject({ frames: 40 });
    expect(found.videos[1]!.frames).toBeLessThan(64);
    expect(found.videos[1]!.damage).toMatch(/decoded/);
    const given = { videos: at("half"), others: at("half") };
    const { report } = await evaluate(given, "half-out", { protocol });
    expect(report.leftOut).toEqual([]);
    expect(report.warnings.join()).toMatch(/Of 1 video only a part decodes.*half\.mkv/);
    const whole = await evaluate(given, "half-whole");
    expect(whole.report.warnings.join()).toMatch(/Of 1 video only a part decodes.*half\.mkv/);
    const skipped = await evaluate(given, "half-skip", { damaged: "skip" });
    expect(skipped.report.leftOut).toMatchObject([{ name: "half.mkv" }]);
    await expect(evaluate(given, "half-fail", { damaged: "fail" })).rejects.toMatchObject({ code: "file-format" });
  });
});

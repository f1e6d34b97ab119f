import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import { acquireLock } from "@coordtok/core/node";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluateReconstruction, mergeEvaluations } from "./index.js";
import type { EvaluateReconstructionOptions } from "./options.js";
import type { WrittenEvaluation } from "./finish.js";

let folder = "";
const at = (...names: string[]): string => join(folder, ...names);

function evaluate(out: string, options: Partial<EvaluateReconstructionOptions> = {}): Promise<WrittenEvaluation> {
  const common = { against: at("made"), backend: "wasm", sanityClips: 0 } as const;
  return evaluateReconstruction([at("real")], { ...common, out: at(out), ...options });
}

const part = (number: number, of = 3): { readonly part: { readonly number: number; readonly of: number } } => ({
  part: { number, of },
});

const measuredIn = async (...names: string[]): Promise<number> =>
  (await readFile(at(...names, "clips.jsonl"), "utf8")).trim().split("\n").length;

beforeAll(async () => {
  await loadBackend("wasm");
  folder = await mkdtemp(join(tmpdir(), "coordtok-evaluation-parts-"));
  for (const [place, shift] of [
    ["real", 0],
    ["made", 10],
  ] as const) {
    await mkdir(at(place));
    for (let seed = 0; seed < 4; seed++) {
      const clip = syntheticClip({ frames: 3, height: 16, width: 16, seed: seed + shift });
      await writeVideo(at(place, `${seed}.mkv`), framesFromClip(clip, 25), { fps: 25 });
    }
  }
  await evaluate("whole");
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** What must be the same as in an evaluation that was not divided. */
async function resultOf(out: string): Promise<unknown> {
  const report = JSON.parse(await readFile(at(out, "report.json"), "utf8")) as Record<string, unknown>;
  const { measures, clips, counts } = report;
  return { measures, clips, counts, lines: await readFile(at(out, "clips.jsonl"), "utf8") };
}

describe("parts of an evaluation share a folder", { timeout: 120_000 }, () => {
  it("and the last one to end merges them to what the whole evaluation is", async () => {
    const notes: string[] = [];
    for (const number of [3, 1]) {
      const { report } = await evaluate("shared", { ...part(number), onNote: (line) => notes.push(line) });
      expect(report.clips.reference).toHaveLength(number === 1 ? 2 : 1);
    }
    expect(notes.filter((line) => line.startsWith("Not finished"))).toEqual([
      "Not finished yet: part 1, 2 of 3; the last one merges all",
      "Not finished yet: part 2 of 3; the last one merges all",
    ]);
    expect((await readdir(at("shared"))).filter((name) => !name.startsWith("."))).toEqual(["part-1of3", "part-3of3"]);
    const { report, files } = await evaluate("shared", part(2));
    expect(report.clips.reference).toHaveLength(4);
    expect(files.report).toBe(at("shared", "report.json"));
    expect(await resultOf("shared")).toEqual(await resultOf("whole"));
  });

  it("and none of them is measured again, by its own part or by a run without one", async () => {
    await cp(at("shared"), at("again"), { recursive: true });
    const work: string[] = [];
    const onProgress = ({ task }: { readonly task: string }): void => void work.push(task);
    await evaluate("again", { ...part(1), onProgress });
    await evaluate("again", { onProgress });
    expect(work.filter((task) => task === "evaluate")).toEqual([]);
    expect(await resultOf("again")).toEqual(await resultOf("whole"));
  });

  it("and a run without a part measures what is missing and merges", async () => {
    await cp(at("shared"), at("missing"), { recursive: true });
    await rm(at("missing", "part-2of3"), { recursive: true });
    await rm(at("missing", "report.json"));
    await evaluate("missing");
    expect(await measuredIn("missing", "part-2of3")).toBe(1);
    expect(await resultOf("missing")).toEqual(await resultOf("whole"));
  });

  it("and a part that is broken is named, and repaired alone", async () => {
    await cp(at("shared"), at("broken"), { recursive: true });
    await truncate(at("broken", "part-1of3", "settings.json"), 100);
    await writeFile(at("broken", "part-3of3", "clips.jsonl"), "{}\n");
    for (const options of [{}, part(1)])
      await expect(evaluate("broken", options)).rejects.toMatchObject({
        code: "file-format",
        sentence: expect.stringMatching(/^Part 1\/3 of ".*broken" is damaged: .*settings\.json/) as string,
        options: { repair: true },
      });
    const warnings: string[] = [];
    await evaluate("broken", { repair: true, onWarning: (line) => warnings.push(line) });
    expect(warnings.map((line) => line.slice(0, 31))).toEqual([
      "Part 1/3 is damaged and measure",
      "Part 3/3 is damaged and measure",
    ]);
    expect(await resultOf("broken")).toEqual(await resultOf("whole"));
  });

  it("and the same part twice at a time, or another division, is refused", async () => {
    await evaluate("twice", part(1));
    await using lock = await acquireLock(at("twice", "part-1of3", ".coordtok.lock"));
    await expect(evaluate("twice", part(1))).rejects.toMatchObject({
      code: "file-exists",
      message: expect.stringMatching(/part-1of3" is in use: process \d+ has been writing there/) as string,
    });
    await lock.release();
    await expect(evaluate("twice", part(1, 2))).rejects.toThrow("division into 3, not into 2");
    await expect(evaluate("whole", part(1))).rejects.toThrow("was not divided");
  });

  it("more parts than clips merge as well", async () => {
    for (const number of [1, 2, 3, 4, 5]) await evaluate("many", part(number, 5));
    expect(await resultOf("many")).toEqual(await resultOf("whole"));
  });

  it("and parts of older versions, each in a folder of its own, are gone on with and merged", async () => {
    for (const number of [1, 2, 3])
      await cp(at("shared", `part-${number}of3`), at(`old-${number}`), { recursive: true });
    await rm(at("old-2", "report.json"));
    const { report } = await evaluate("old-2", part(2));
    expect(report.clips.reference).toHaveLength(1);
    await mergeEvaluations([at("old-1"), at("old-2"), at("old-3")], { out: at("old") });
    await mergeEvaluations([at("shared")], { out: at("copied") });
    for (const out of ["old", "copied"]) expect(await resultOf(out)).toEqual(await resultOf("whole"));
  });
});

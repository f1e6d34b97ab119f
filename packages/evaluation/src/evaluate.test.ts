import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCoordTokError, Random, type RgbClip } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { encodeStatistics, statisticsOf } from "@coordtok/metrics";
import { CoordTok, encodeTokenizer, preset } from "@coordtok/tokenizer";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadBackend } from "@coordtok/backend";
import { evaluateGeneration, evaluateReconstruction, mergeEvaluations, protocolOf } from "./index.js";
import type { ClipRecord } from "./record.js";
import type { EvaluationReport } from "./report.js";
import { reportText } from "./report-text.js";

let folder = "";
const at = (name: string): string => join(folder, name);
const common = { backend: "wasm", sanityClips: 0 } as const;

const withSanity = { ...common, sanityClips: 1 } as const;

/** The numbers that must not depend on how an evaluation was split into runs. */
function numbersOf({ measures, curves, correlation, sanity, clips, counts, leftOut }: EvaluationReport): unknown {
  return { measures, curves, correlation, sanity, clips, counts, leftOut };
}

function noisy(clip: RgbClip, level: number): RgbClip {
  const noise = new Random(9).normals(clip.data.length);
  return { ...clip, data: clip.data.map((value, i) => Math.min(255, Math.max(0, value + level * noise[i]!))) };
}

beforeAll(async () => {
  await loadBackend("wasm");
  folder = await mkdtemp(join(tmpdir(), "coordtok-evaluate-"));
  for (const name of ["originals", "made"]) await mkdir(at(name));
  for (let i = 0; i < 4; i++) {
    const clip = syntheticClip({ frames: 20, height: 32, width: 40, seed: i });
    await writeVideo(at(`originals/clip-${i}.mkv`), framesFromClip(clip, 25), { fps: 25 });
    await writeVideo(at(`made/clip-${i}.mkv`), framesFromClip(noisy(clip, 4 + 4 * i), 25), { fps: 25 });
  }
  const config = preset("test");
  using model = CoordTok.create(config, { seed: 1 });
  await writeAtomically(at("model.safetensors"), encodeTokenizer(config, model.params));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("pairs of videos", () => {
  it(
    "give a report whose page loads nothing from elsewhere and ranks the better clips higher",
    { timeout: 240_000 },
    async () => {
      const { report, files } = await evaluateReconstruction([at("originals")], {
        ...withSanity,
        against: at("made"),
        out: at("pairs"),
      });
      const rates = (report.clips.reference as readonly ClipRecord[]).map(({ psnrDb }) => psnrDb!);
      expect(rates).toEqual([...rates].sort((a, b) => b - a));
      expect(report.measures["psnrDb"]).toMatchObject({ count: 4, maximum: rates[0]!, minimum: rates[3]! });
      expect(report.sanity?.map(({ name, clips }) => [name, clips])).toEqual([
        ["evaluated", 1],
        ["plain downsampling", 1],
        ["H.264", 1],
      ]);
      expect(report.curves["ssim"]!.mean).toHaveLength(20);
      const page = await readFile(files.page, "utf8");
      expect(page.match(/<svg/g)!.length).toBe(2 + 2 + 2);
      expect(page.match(/<img/g)!.length).toBe(4);
      expect(page.replaceAll(/xmlns(?::\w+)?="[^"]*"/g, "")).not.toMatch(/https?:|<script|<link|url\(/);
      expect(page.indexOf("clip-0.mkv, frames 0 to 19")).toBeLessThan(page.indexOf("clip-3.mkv, frames 0 to 19"));
      const stored = JSON.parse(await readFile(files.report, "utf8")) as EvaluationReport;
      expect(stored.measures["psnrDb"]).toEqual(report.measures["psnrDb"]);
      expect((await readdir(at("pairs"))).sort()).toEqual([
        ".coordtok.json",
        "clips.jsonl",
        "report.html",
        "report.json",
        "settings.json",
        "strips",
      ]);
    },
  );

  it(
    "resume after a stop half-way, even in the middle of a line, and end with the same numbers",
    { timeout: 240_000 },
    async () => {
      const options = {
        ...common,
        against: at("made"),
        protocol: protocolOf("16-frame-windows", { length: 9, clips: 5 }),
      };
      const whole = await evaluateReconstruction([at("originals")], { ...options, out: at("uninterrupted") });
      const stop = new AbortController();
      const run = evaluateReconstruction([at("originals")], {
        ...options,
        out: at("stopped"),
        signal: stop.signal,
        onProgress: ({ task, done }) => {
          if (task === "evaluate" && done > 20) stop.abort();
        },
      });
      await expect(run).rejects.toMatchObject({ code: "aborted" });
      const lines = await readFile(at("stopped/clips.jsonl"), "utf8");
      expect(lines.trim().split("\n").length).toBeLessThan(5);
      await writeFile(at("stopped/clips.jsonl"), `${lines}{"index": 4, "na`);
      const resumed = await evaluateReconstruction([at("originals")], { ...options, out: at("stopped") });
      expect(numbersOf(resumed.report)).toEqual(numbersOf(whole.report));
      expect(whole.report.counts.reference).toBe(5);
    },
  );

  it("a folder that is written into is refused meanwhile, and free afterwards", { timeout: 240_000 }, async () => {
    const options = { ...common, against: at("made"), out: at("locked") };
    let second: Promise<unknown> | undefined;
    await evaluateReconstruction([at("originals")], {
      ...options,
      onProgress: ({ task }) => {
        if (task === "evaluate")
          second ??= evaluateReconstruction([at("originals")], { ...options, overwrite: true }).catch(
            (thrown: unknown) => thrown,
          );
      },
    });
    expect(await second).toMatchObject({
      code: "file-exists",
      message: expect.stringContaining(`is in use: process ${process.pid} has been writing there since`) as string,
    });
    const files = (await readdir(at("locked"))).sort();
    expect(files).toEqual([".coordtok.json", "clips.jsonl", "report.html", "report.json", "settings.json", "strips"]);
    await evaluateReconstruction([at("originals")], { ...options, overwrite: true });
    expect((await readdir(at("locked"))).sort()).toEqual(files);
  });

  it("merged parts equal the whole, and missing or unfinished parts are named", { timeout: 240_000 }, async () => {
    const options = { ...withSanity, against: at("made") };
    for (const index of [1, 2]) {
      await evaluateReconstruction([at("originals")], {
        ...options,
        part: { number: index, of: 2 },
        out: at("divided"),
      });
    }
    for (const index of [1, 2]) await rename(at(`divided/part-${index}of2`), at(`part-${index}`));
    await expect(mergeEvaluations([at("part-1")], { out: at("merged") })).rejects.toThrow("2 of them are missing");
    await expect(mergeEvaluations([at("pairs"), at("part-1")], { out: at("merged") })).rejects.toThrow("whole");
    const merged = await mergeEvaluations([at("part-2"), at("part-1")], { out: at("merged") });
    const whole = await evaluateReconstruction([at("originals")], { ...options, out: at("pairs") });
    expect(numbersOf(merged.report)).toEqual(numbersOf(whole.report));
    expect(await readFile(merged.files.page, "utf8")).not.toContain("No picture was kept");
    const lines = (await readFile(at("part-2/clips.jsonl"), "utf8")).split("\n");
    await writeFile(at("part-2/clips.jsonl"), `${lines[0]!}\n`);
    await expect(mergeEvaluations([at("part-1"), at("part-2")], { out: at("again") })).rejects.toThrow("1 of 2 clips");
  });

  it(
    "a measure that cannot be computed for any clip gives one error, not a report without clips, and can be left out afterwards",
    { timeout: 240_000 },
    async () => {
      const options = { ...common, against: at("made"), out: at("too-small") };
      await expect(evaluateReconstruction([at("originals")], { ...options, msSsim: true })).rejects.toThrow(
        /None of the 4 clips can be measured; .*at least 176x176/,
      );
      const { report } = await evaluateReconstruction([at("originals")], options);
      expect(report.counts.reference).toBe(4);
      expect(report.made["frames"]).toBe("as they are in the videos");
    },
  );

  it(
    "other settings in the same folder, other sizes and missing counterparts give one sentence each",
    { timeout: 60_000 },
    async () => {
      const failure = async (originals: string, options: object): Promise<string> => {
        const run = evaluateReconstruction([at(originals)], { ...common, out: at("refused"), ...options });
        const thrown: unknown = await run.then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(isCoordTokError(thrown)).toBe(true);
        return (thrown as Error).message;
      };
      expect(await failure("originals", { against: at("made"), out: at("pairs"), seed: 3 })).toContain("another seed");
      expect(await failure("originals", { against: at("made/clip-1.mkv") })).toContain("two videos or two folders");
      expect(await failure("originals", { against: at("nowhere") })).toContain("nowhere");
      expect(await failure("originals/clip-0.mkv", { checkpoint: at("gone") })).toContain("gone");
      await rm(at("made/clip-3.mkv"));
      expect(await failure("originals", { against: at("made") })).toContain("the first is clip-3.mkv");
      await writeVideo(at("small.mkv"), framesFromClip(syntheticClip({ frames: 20, height: 16, width: 16 }), 25), {
        fps: 25,
      });
      expect(await failure("originals/clip-0.mkv", { against: at("small.mkv") })).toContain("option size");
      await writeVideo(at("short.mkv"), framesFromClip(syntheticClip({ frames: 5, height: 32, width: 40 }), 25), {
        fps: 25,
      });
      expect(await failure("originals/clip-0.mkv", { against: at("short.mkv") })).toContain("ends after 5");
    },
  );

  it("equal videos have perfect scores, and the report says so", { timeout: 30_000 }, async () => {
    const { report, files } = await evaluateReconstruction([at("originals/clip-0.mkv")], {
      ...common,
      against: at("originals/clip-0.mkv"),
      out: at("equal"),
    });
    expect(report.measures["psnrDb"]!.mean).toBe(Infinity);
    expect(report.warnings.join()).toContain("without any error");
    expect(await readFile(files.report, "utf8")).toContain('"mean": "Infinity"');
    expect(await readFile(files.page, "utf8")).toContain("∞");
  });
});

describe("videos through a tokenizer", () => {
  it(
    "a video longer than the model's clips is cut into segments, whose seams are scored; one that is too short is evaluated as it is",
    { timeout: 120_000 },
    async () => {
      const { report } = await evaluateReconstruction([at("originals/clip-1.mkv")], {
        ...withSanity,
        checkpoint: at("model.safetensors"),
        out: at("model"),
      });
      const [clip] = report.clips.reference;
      expect(clip).toMatchObject({ frames: 20, width: 32, height: 32 });
      expect(report.measures["seamRatio"]!.mean).toBeGreaterThan(0);
      expect(report.sanity![1]!.takes).toContain("1458 values: 6 frames of 9x9");
      expect(report.settings.checkpoint!.sha256).toHaveLength(64);
      expect(report.made["decoding"]).toContain("1024 patches decoded together");
    },
  );
});

describe("sets of videos", () => {
  it("saved statistics are compared without a network, and statistics computed differently are refused", async () => {
    const vectors = new Random(1).normals(40 * 6);
    const facts = { network: "a".repeat(64), output: "logits", windowLength: "16" };
    const save = async (name: string, shift: number, changes: object = {}): Promise<void> =>
      writeFile(
        at(`${name}.safetensors`),
        await encodeStatistics(
          statisticsOf(
            vectors.map((v) => v + shift),
            6,
          ),
          { ...facts, ...changes },
        ),
      );
    await save("real", 0);
    await save("generated", 1);
    await save("other", 1, { windowLength: "128" });
    const { report } = await evaluateGeneration([at("real.safetensors")], [at("generated.safetensors")], {
      backend: "wasm",
      out: at("sets"),
    });
    expect(report.fvd!.distance).toBeCloseTo(6, 6);
    expect(reportText(report)).toContain("real as saved, generated as saved");
    expect(report.fvd).toMatchObject({ referenceVectors: 40, otherVectors: 40, dimension: 6 });
    const unlike = evaluateGeneration([at("real.safetensors")], [at("other.safetensors")], {
      backend: "wasm",
      out: at("unlike"),
    });
    await expect(unlike).rejects.toThrow("windowLength 128 instead of 16");
  });

  it("without the weights of I3D, the message holds the command that downloads them", async () => {
    const run = evaluateGeneration([at("originals/clip-0.mkv")], [at("originals/clip-1.mkv")], {
      backend: "wasm",
      out: at("no-weights"),
    });
    await expect(run).rejects.toThrow(/curl .*rgb_imagenet\.pt/);
  });
});

/** @module-tag ffmpeg */
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import type { CoordTokError, RgbClip } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { LatticeCoordTok, latticePreset } from "@coordtok/tokenizer";
import { encodeLatticeCheckpoint } from "@coordtok/tokenizer/lattice";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { availableCodecs, writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mergeEvaluations } from "../merge-evaluations.js";
import { protocolOf } from "../protocol.js";
import type { EncodePlanes } from "./coders.js";
import { evaluateRateDistortion, type EvaluateRateDistortionOptions } from "./evaluate-rate-distortion.js";
import { rateReportText, type WrittenRates } from "./rate-report.js";

let folder = "";
const at = (name: string): string => join(folder, name);
const size = { height: 24, width: 32 };
let coded: string[] = [];

/** Planes in few bytes: coarser pixels. */
const encode: EncodePlanes = (_, clip, { step, refine }) => {
  coded.push(`${step} ${refine?.steps ?? 0}`);
  const by = 64 * step;
  const data = clip.data.map((value) => Math.min(255, Math.round(value / by) * by));
  const decoded: RgbClip = { ...clip, data };
  return Promise.resolve({ planeBytes: Math.round(100 / step), decoded });
};

const measure = async (options: Partial<EvaluateRateDistortionOptions> = {}): Promise<WrittenRates> =>
  evaluateRateDistortion([at("videos")], {
    backend: "wasm",
    checkpoint: at("lattice.safetensors"),
    weights: at("no-weights"),
    encode,
    steps: [1 / 2, 1 / 8],
    refineSteps: 3,
    windowFrames: 4,
    size,
    protocol: protocolOf("video-starts", { length: 4 }),
    codecs: (await availableCodecs()).filter((codec) => codec === "x264"),
    out: at("rates"),
    ...options,
  });

beforeAll(async () => {
  await loadBackend("wasm");
  folder = await mkdtemp(join(tmpdir(), "coordtok-rates-"));
  await mkdir(at("videos"));
  for (const seed of [1, 2]) {
    const clip = syntheticClip({ frames: 5, ...size, seed });
    await writeVideo(at(`videos/${seed}.mkv`), framesFromClip(clip, 25), { fps: 25 });
  }
  using model = LatticeCoordTok.create(latticePreset("test"), { seed: 1 });
  await writeAtomically(at("lattice.safetensors"), encodeLatticeCheckpoint(model.config, model.params));
}, 60_000);

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("coders against each other", { timeout: 120_000 }, () => {
  it("are measured clip by clip, resumed where they stopped, and reported with who wins where", async (context) => {
    if (!(await availableCodecs()).includes("x264")) context.skip("this ffmpeg has no libx264");
    const stop = new AbortController();
    const stopped = measure({ signal: stop.signal, onProgress: ({ done }) => done >= 4 && stop.abort() });
    await expect(stopped).rejects.toMatchObject({ code: "aborted" });
    coded = [];
    const notes: string[] = [];
    const { report, files } = await measure({ onNote: (note) => notes.push(note) });
    expect(coded).toEqual(["0.5 0", "0.125 0", "0.5 3", "0.125 3"]);
    expect(notes.join("\n")).toContain("LPIPS is left out");
    expect(notes.join("\n")).toContain("1 of 2 clips are measured");
    expect(report).toMatchObject({ clips: 2, windowFrames: 4 });
    expect(report.coders.map(({ name, points }) => `${name} ${points.length}`)).toEqual([
      "planes 2",
      "planes, 3 refinement steps 2",
      "x264 7",
      "planes as numbers 2",
      "DCT, fixed order 2",
      "DCT, largest 2",
      "pooling 2",
    ]);
    const [planes, , , numbers, dct] = report.coders;
    expect(planes!.points.map(({ setting, size: bytes }) => [setting, bytes])).toEqual([
      ["step 1/2", 200],
      ["step 1/8", 800],
    ]);
    // 4 frames at 25 per second.
    expect(planes!.points[0]!.kilobitsPerSecond).toBeCloseTo((200 * 8) / 1000 / 0.16, 9);
    expect(dct!.points.map((point) => point.size)).toEqual(numbers!.points.map((point) => point.size));
    expect(report.findings.join("\n")).toMatch(/planes .*x264/);
    expect(rateReportText(report)).toContain("bytes of a clip at equal PSNR");
    expect(await readFile(files.table, "utf8")).toContain("planes,step 1/8,bytes,800,");
    expect(await readFile(files.picture, "utf8")).toMatch(/^<svg xmlns/);
    expect(await readFile(files.page, "utf8")).toContain("Who wins where");
  });

  it("keep to the settings of their folder, and are no parts to merge", async () => {
    await expect(measure({ steps: [1 / 4] })).rejects.toMatchObject({ code: "file-exists" });
    await expect(mergeEvaluations([at("rates")], { out: at("merged") })).rejects.toThrow("merge");
  });

  it("refuse what cannot be compared", async () => {
    const refusal = async (options: Partial<EvaluateRateDistortionOptions>): Promise<string> =>
      measure({ out: at("none"), ...options }).then(
        () => "nothing was refused",
        (thrown: unknown) => (thrown as CoordTokError).message,
      );
    expect(await refusal({ steps: [0] })).toContain("steps");
    expect(await refusal({ refineSteps: -1 })).toContain("refineSteps");
    expect(await refusal({ windowFrames: 0 })).toContain("windowFrames");
    expect(await refusal({ protocol: protocolOf("video-starts", { length: 99 }) })).toContain("99 frames");
  });
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import { clipFromRgb, disposeTree, rgbFromClip, type CoordTokError } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { psnrOfRgb } from "@coordtok/metrics";
import { CoordTok, encodeTokenizer, LatticeCoordTok, latticePreset, preset } from "@coordtok/tokenizer";
import { encodeLatticeCheckpoint } from "@coordtok/tokenizer/lattice";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { readClip, writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluateReconstruction } from "./evaluate-reconstruction.js";
import type { EvaluateReconstructionOptions } from "./options.js";
import type { ClipRecord } from "./record.js";

let folder = "";
const at = (name: string): string => join(folder, name);
const size = { height: 20, width: 28 };
const common = { backend: "wasm", sanityClips: 0 } as const;

beforeAll(async () => {
  await loadBackend("wasm");
  folder = await mkdtemp(join(tmpdir(), "coordtok-evaluate-lattice-"));
  const clip = syntheticClip({ frames: 11, ...size, seed: 2 });
  await writeVideo(at("clip.mkv"), framesFromClip(clip, 25), { fps: 25 });
  using model = LatticeCoordTok.create(latticePreset("test"), { seed: 1 });
  await writeAtomically(at("lattice.safetensors"), encodeLatticeCheckpoint(model.config, model.params));
  const config = preset("test");
  using paper = CoordTok.create(config, { seed: 1 });
  await writeAtomically(at("paper.safetensors"), encodeTokenizer(config, paper.params));
}, 60_000);

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("evaluation of a tokenizer of the lattice form", { timeout: 120_000 }, () => {
  it("measures segments at any size and budget, and counts the values that the budget keeps", async () => {
    const { report } = await evaluateReconstruction([at("clip.mkv")], {
      ...common,
      checkpoint: at("lattice.safetensors"),
      size,
      windowFrames: 8,
      content: 4,
      motion: 2,
      sanityClips: 1,
      out: at("lattice"),
    });
    // Segments of 8 and 3 frames; 2 blocks of time, 3 of rows and 4 of columns.
    const { clip } = await readClip(at("clip.mkv"), { size });
    using model = LatticeCoordTok.create(latticePreset("test"), { seed: 1 });
    const bytes = size.height * size.width * 3;
    const decoded = new Uint8Array(11 * bytes);
    for (const [start, count] of [
      [0, 8],
      [8, 3],
    ] as const) {
      const part = { ...clip, frameCount: count, data: clip.data.subarray(start * bytes, (start + count) * bytes) };
      const tensors = clipFromRgb([part]);
      const planes = model.encode(tensors, { budget: { content: 4, motion: 2 } });
      const frames = await model.decode(planes, { size: { frames: count, ...size } });
      decoded.set((await rgbFromClip(frames)).data, start * bytes);
      disposeTree([tensors.frames, planes, frames.frames]);
    }
    const [record] = report.clips.reference as readonly ClipRecord[];
    expect(record).toMatchObject({ frames: 11, ...size });
    expect(record!.psnrDb).toBeCloseTo(psnrOfRgb(clip, { ...clip, data: decoded }).clipDb, 4);
    expect(report.settings.made["decoding"]).toContain("segments of 8 frames");
    expect(report.settings.made["decoding"]).toContain("4 channels of xy and 2 of yt and xt");
    expect(report.settings.sanity?.text).toContain(`${12 * 4 + (2 * 4 + 2 * 3) * 2} values`);
  });

  it("refuses budgets that the planes do not have, and lattice options for the paper's form and for pairs", async () => {
    const refusal = async (options: Omit<EvaluateReconstructionOptions, "out">): Promise<string> =>
      evaluateReconstruction([at("clip.mkv")], { ...options, out: at("none") }).then(
        () => "nothing was refused",
        (thrown: unknown) => (thrown as CoordTokError).message,
      );
    const lattice = { ...common, checkpoint: at("lattice.safetensors") };
    const paper = { ...common, checkpoint: at("paper.safetensors") };
    expect(await refusal({ ...lattice, content: 9 })).toContain("content to be a whole number from 0 to 8");
    expect(await refusal({ ...lattice, windowFrames: 0 })).toContain("windowFrames to be a whole number from 1");
    expect(await refusal({ ...paper, motion: 2 })).toContain("motion applies to the lattice form");
    expect(await refusal({ ...paper, size })).toContain("size applies to the lattice form");
    expect(await refusal({ ...common, against: at("clip.mkv"), content: 2 })).toContain(
      "content applies to a tokenizer",
    );
  });
});

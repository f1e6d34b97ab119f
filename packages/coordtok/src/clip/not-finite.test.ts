import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { prepareBackend } from "@coordtok/backend";
import { areFinite, disposeTree, isCoordTokError, openSafetensors, treeMap } from "@coordtok/core";
import { openFileSource, writeAtomically } from "@coordtok/core/node";
import { evaluateReconstruction } from "@coordtok/evaluation";
import { preset as generatorPreset, type SiTConfig } from "@coordtok/diffusion";
import { CoordTok, encodeTokenizer, preset, type LatticeConfig } from "@coordtok/tokenizer";
import { createLatticeParams, encodeLatticeCheckpoint } from "@coordtok/tokenizer/lattice";
import type { TriplaneShape } from "@coordtok/triplane";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { fill } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeToVideo } from "./decode-to-video.js";
import { encodeVideo } from "./encode-video.js";
import { reconstructVideo } from "./reconstruct-video.js";
import { encodeDataset } from "../latents/encode-dataset.js";
import { openLatents } from "../latents/open-latents.js";
import { sampleVideos } from "../sample/sample-videos.js";
import { trainOnLatents } from "../train/train-on-latents.js";
import { trainOnVideos } from "../train/train-on-videos.js";

const config = preset("test");
const backend = "wasm";
const trainingTime = 120_000;
const shared = new URL("../../../../../shared/failing/nan-triplane/", import.meta.url);
let folder = "";
const at = (...names: string[]): string => join(folder, ...names);

/** The end of a call: the code of its error, or `fine`. */
async function endOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "fine",
    (thrown: unknown) => (isCoordTokError(thrown) ? thrown.code : String(thrown)),
  );
}

/** Writes a copy of a safetensors file with 0xff in some values of a tensor. */
async function damaged(path: string, tensor: string, into: string): Promise<string> {
  await using source = await openFileSource(path);
  const { begin } = (await openSafetensors(source)).entries.get(tensor)!;
  const bytes = await readFile(path);
  bytes.fill(0xff, begin + 8, begin + 16);
  await writeFile(into, bytes);
  return into;
}

async function isFiniteFile(path: string): Promise<boolean> {
  await using source = await openFileSource(path);
  const file = await openSafetensors(source);
  for (const [name, { dtype }] of file.entries) if (!areFinite(await file.readBytes(name), dtype)) return false;
  return true;
}

/** The names of the checkpoints of a run, without the copy of its configuration. */
async function checkpointsIn(run: string): Promise<string[]> {
  return (await readdir(join(run, "checkpoints"))).filter((name) => name.endsWith(".safetensors")).sort();
}

const training = {
  config,
  backend,
  saveEvery: 1,
  settings: { pointsPerClip: 16, batchSize: 1, totalSteps: 6, warmupSteps: 0 },
} as const;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-finite-"));
  await prepareBackend("inference", { backend });
  using model = CoordTok.create(config, { seed: 5 });
  await writeAtomically(at("good.safetensors"), encodeTokenizer(config, model.params));
  const large = treeMap(model.params, (leaf) => fill(leaf.shape, 3e38));
  using overflowing = CoordTok.from(config, large);
  await writeAtomically(at("large.safetensors"), encodeTokenizer(config, overflowing.params));
  await mkdir(at("videos"));
  const clip = syntheticClip({ frames: 16, height: 32, width: 32 });
  await writeVideo(at("videos", "a.mp4"), framesFromClip(clip, 25), { fps: 25 });
  const encode = (out: string, embedDecoder: boolean): Promise<unknown> =>
    encodeVideo(at("videos", "a.mp4"), { checkpoint: at("good.safetensors"), out: at(out), embedDecoder, backend });
  await encode("good.triplane.safetensors", false);
  await encode("whole.triplane.safetensors", true);
  for (const part of ["encoder", "decoder"]) {
    const tensor = part === "encoder" ? "average.encoder.video.positions" : "average.decoder.positions";
    await damaged(at("good.safetensors"), tensor, at(`nan-${part}.safetensors`));
  }
}, trainingTime);

afterAll(async () => {
  await rm(folder, { recursive: true });
});

const video = (): string => at("videos", "a.mp4");
const good = (): string => at("good.safetensors");

describe("damage by bytes of 0xff is detected", () => {
  it("in the planes of a triplane, and nothing is written", async () => {
    const checkpoint = good();
    for (const plane of ["xy", "yt", "xt"]) {
      const path = await damaged(
        at("good.triplane.safetensors"),
        `windows.0.0.${plane}`,
        at("bad.triplane.safetensors"),
      );
      const decoded = decodeToVideo(path, { out: at("bad.mp4"), checkpoint, backend });
      await expect(decoded).rejects.toMatchObject({
        code: "file-format",
        message: expect.stringMatching(
          new RegExp(`^Plane ${plane} of window 0 in .* is damaged: its checksum differs`),
        ) as string,
      });
    }
    expect(
      await endOf(decodeToVideo(at("good.triplane.safetensors"), { out: at("fine.mp4"), checkpoint, backend })),
    ).toBe("fine");
    expect(existsSync(at("bad.mp4"))).toBe(false);
  });

  it("in a triplane that a fuzzing campaign produced", async (context) => {
    if (!existsSync(shared)) context.skip("there is no ../shared/failing beside the repository");
    const decoded = (name: string): Promise<string> =>
      endOf(
        decodeToVideo(fileURLToPath(new URL(name, shared)), { out: at(`${name}.mp4`), checkpoint: good(), backend }),
      );
    expect([await decoded("dt.safetensors"), await decoded("e0.safetensors")]).toEqual(["checkpoint", "fine"]);
  });

  it("in the decoder that a triplane holds", async () => {
    const path = await damaged(at("whole.triplane.safetensors"), "decoder.positions", at("bad.triplane.safetensors"));
    expect(await endOf(decodeToVideo(path, { out: at("bad.mp4"), backend }))).toBe("checkpoint");
    expect(await endOf(decodeToVideo(at("whole.triplane.safetensors"), { out: at("whole.mp4"), backend }))).toBe(
      "fine",
    );
  });

  it("in the weights of a checkpoint, by everything that computes with it", async () => {
    const using = (checkpoint: string): Promise<unknown>[] => [
      encodeVideo(video(), { checkpoint, out: at("bad.triplane"), backend }),
      encodeDataset(at("videos"), { checkpoint, out: at("bad-latents"), backend }),
      reconstructVideo(video(), { checkpoint, out: at("bad-reconstruction"), backend }),
      evaluateReconstruction([video()], { checkpoint, out: at("bad-evaluation"), backend }),
      trainOnVideos([video()], { ...training, config: undefined, from: checkpoint, out: at("bad-run") }),
    ];
    const ends = await Promise.all(using(at("nan-encoder.safetensors")).map(endOf));
    expect(ends).toEqual(["checkpoint", "checkpoint", "checkpoint", "checkpoint", "checkpoint"]);
    const checkpoint = at("nan-decoder.safetensors");
    const decoded = decodeToVideo(at("good.triplane.safetensors"), { out: at("bad.mp4"), checkpoint, backend });
    expect(await endOf(decoded)).toBe("checkpoint");
    for (const name of ["bad.triplane", "bad-run", "bad.mp4"])
      expect([name, existsSync(at(name))]).toEqual([name, false]);
  });
});

describe("results that are not finite are refused", () => {
  it("even if the weights are finite, by everything that computes with them", { timeout: 30_000 }, async () => {
    const checkpoint = at("large.safetensors");
    expect(await isFiniteFile(checkpoint)).toBe(true);
    const ends = [
      await endOf(encodeVideo(video(), { checkpoint, out: at("large.triplane"), backend })),
      await endOf(encodeDataset(at("videos"), { checkpoint, out: at("large-latents"), backend })),
      await endOf(reconstructVideo(video(), { checkpoint, out: at("large-reconstruction"), backend })),
      await endOf(evaluateReconstruction([video()], { checkpoint, out: at("large-evaluation"), backend })),
      await endOf(decodeToVideo(at("good.triplane.safetensors"), { out: at("large.mp4"), checkpoint, backend })),
    ];
    expect(ends).toEqual(["not-finite", "checkpoint", "not-finite", "not-finite", "not-finite"]);
    for (const name of [
      "large.triplane",
      "large.mp4",
      "large-reconstruction/reconstruction.mp4",
      "large-evaluation/report.json",
    ])
      expect([name, existsSync(at(name))]).toEqual([name, false]);
  });
});

describe("a tokenizer of the lattice form", { timeout: trainingTime }, () => {
  it("whose weights overflow gives no reconstruction, and one whose weights are damaged is not loaded", async () => {
    const lattice: LatticeConfig = {
      form: "lattice",
      width: 16,
      heads: 2,
      videoLayers: 1,
      latentLayers: 1,
      decoderLayers: 1,
      channels: 4,
    };
    const params = createLatticeParams(lattice, 1);
    const large = treeMap(params, (leaf) => fill(leaf.shape, 3e38));
    await writeAtomically(at("lattice.safetensors"), encodeLatticeCheckpoint(lattice, params));
    await writeAtomically(at("large-lattice.safetensors"), encodeLatticeCheckpoint(lattice, large));
    disposeTree(params);
    disposeTree(large);
    const nan = await damaged(at("lattice.safetensors"), "average.decoder.pixels.bias", at("nan-lattice.safetensors"));
    const size = { height: 32, width: 32 };
    const through = (checkpoint: string, out: string): Promise<string> =>
      endOf(reconstructVideo(video(), { checkpoint, size, out: at(out), backend }));
    expect(await through(at("large-lattice.safetensors"), "large-windows")).toBe("not-finite");
    expect(await through(nan, "nan-windows")).toBe("checkpoint");
    expect(await through(at("lattice.safetensors"), "good-windows")).toBe("fine");
    for (const name of ["large-windows", "nan-windows"]) expect(await readdir(at(name))).toEqual([".coordtok.json"]);
  });
});

describe("a training that diverges", { timeout: trainingTime }, () => {
  it("of a tokenizer keeps the finite checkpoints, and resumes from them with a lower learning rate", async () => {
    const out = at("run");
    await trainOnVideos([video()], { ...training, out });
    const files = (): Promise<string[]> => checkpointsIn(out);
    const before = await files();
    expect(before).toEqual(["step-000004.safetensors", "step-000005.safetensors", "step-000006.safetensors"]);
    const settings = { learningRate: 1e30, totalSteps: 60 };
    const resumed = trainOnVideos([], { resume: out, backend, settings, saveEvery: 50 });
    await expect(resumed).rejects.toMatchObject({
      code: "not-finite",
      message: expect.stringMatching(
        /^The training has diverged after step \d+; resume from .*step-000006.safetensors with a lower learning rate/,
      ) as string,
      details: [expect.stringContaining("the norm of its gradient")],
    });
    expect(await files()).toEqual(before);
    const again = { resume: out, backend, settings: { learningRate: 1e-3, totalSteps: 8 } } as const;
    expect((await trainOnVideos([], again)).step).toBe(8);
  });

  it("saves no weights that are not finite, and names the last checkpoint", async () => {
    const out = at("wild");
    const wild = { ...training, out, settings: { ...training.settings, learningRate: 1e30 } };
    const error = await trainOnVideos([video()], wild).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "not-finite", options: { learningRate: undefined } });
    const kept = await checkpointsIn(out);
    expect(kept.length).toBeGreaterThan(0);
    for (const name of kept) expect([name, await isFiniteFile(join(out, "checkpoints", name))]).toEqual([name, true]);
    expect(String(error)).toContain(kept.at(-1));
    expect(await readFile(join(out, "metrics.jsonl"), "utf8")).not.toContain("null");
  });

  it("of a generator stops as well, and so does one whose latents are damaged", async () => {
    await encodeDataset(at("videos"), { checkpoint: good(), out: at("latents"), backend });
    const settings = { batchSize: 1, totalSteps: 4, warmupSteps: 0 };
    const config = (planes: TriplaneShape, classes: number): SiTConfig =>
      generatorPreset("test/2", { planes, classes });
    const train = (out: string, learningRate: number): Promise<unknown> =>
      trainOnLatents(at("latents"), {
        config,
        settings: { ...settings, learningRate },
        previewEvery: 0,
        out: at(out),
        backend,
      });
    expect(await endOf(train("wild-generator", 1e30))).toBe("not-finite");
    expect(await endOf(train("generator", 1e-3))).toBe("fine");
    expect(await endOf(sampleVideos(at("generator"), { out: at("samples"), steps: 2, backend }))).toBe("fine");
    const shard = at("latents", "shard-00000.safetensors");
    await damaged(shard, "planes.xt", shard);
    await using latents = await openLatents(at("latents"));
    expect(await endOf(latents.get(0))).toBe("file-format");
    expect(await endOf(train("damaged", 1e-3))).toBe("file-format");
    const [newest] = await checkpointsIn(at("generator"));
    const bad = await damaged(
      at("generator", "checkpoints", newest!),
      "average.patches.xy.bias",
      at("nan-generator.safetensors"),
    );
    expect(await endOf(sampleVideos(bad, { out: at("no-samples"), steps: 2, backend }))).toBe("checkpoint");
  });
});

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { latticePreset, preset } from "@coordtok/tokenizer";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { encodePng, findPictures, writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeVideo } from "../clip/encode-video.js";
import { footageFrames, readPictures } from "./training-footage.js";
import { trainOnVideos, type TrainOnVideosOptions } from "./train-on-videos.js";

let folder = "";
const within = (...names: string[]): string => join(folder, ...names);

const shape = { frames: 8, height: 16, width: 16, clips: 2, share: 1 };
const small: TrainOnVideosOptions = {
  backend: "wasm",
  config: latticePreset("test"),
  seed: 3,
  settings: { shapes: [shape], firstShapes: [shape], totalSteps: 4 },
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-lattice-"));
  await mkdir(within("films"));
  await mkdir(within("pictures"));
  for (const seed of [1, 2]) {
    const clip = syntheticClip({ frames: 12, height: 24, width: 32, seed });
    await writeVideo(within("films", `${seed}.mp4`), framesFromClip(clip, 25), { fps: 25 });
  }
  for await (const frame of framesFromClip(syntheticClip({ frames: 1, height: 60, width: 80, seed: 5 }), 25))
    await writeFile(within("pictures", "a.png"), encodePng(frame));
  await writeFile(within("pictures", "broken.png"), "no picture");
}, 60_000);

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("training of the lattice form on videos", { timeout: 240_000 }, () => {
  it("resumes after a stop with the same bits, from videos and pictures, and previews what is held out", async () => {
    const pictures = [within("pictures")];
    const validation = [within("films", "2.mp4")];
    const whole = await trainOnVideos([within("films")], {
      ...small,
      pictures,
      validation,
      validateEvery: 2,
      out: within("whole"),
    });
    expect(whole).toMatchObject({ clips: 1, step: 4, skipped: [{ video: within("pictures", "broken.png") }] });
    expect(whole.startPsnrDb).toBeGreaterThan(15);
    expect(whole.validationPsnrDb).toBeGreaterThan(15);
    expect(await readdir(within("whole", "previews"))).toEqual(["step-000002.png", "step-000004.png"]);

    const stop = new AbortController();
    const stopped = trainOnVideos([within("films")], {
      ...small,
      pictures,
      validation,
      out: within("stopped"),
      signal: stop.signal,
      onProgress: ({ task, done }) => {
        if (task === "train" && done === 2) stop.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: "aborted" });
    const resumed = await trainOnVideos([], { backend: "wasm", resume: within("stopped") });
    expect(resumed).toMatchObject({ step: 4, startPsnrDb: whole.startPsnrDb });
    const file = join("checkpoints", "step-000004.safetensors");
    expect((await readFile(within("stopped", file))).equals(await readFile(within("whole", file)))).toBe(true);
  });

  it("goes on from a lattice checkpoint, whose film it then encodes, and refuses what belongs to the other form", async () => {
    await trainOnVideos([within("films")], {
      ...small,
      out: within("first"),
      settings: { ...small.settings, totalSteps: 1 },
    });
    const { config, ...rest } = small;
    const report = await trainOnVideos([within("films")], {
      ...rest,
      from: within("first"),
      out: within("second"),
      settings: { ...small.settings, totalSteps: 2 },
    });
    expect(report).toMatchObject({ step: 2, startPsnrDb: undefined });
    expect(JSON.parse(await readFile(within("second", "config.json"), "utf8"))).toMatchObject({ config });
    const film = within("film.triplane.safetensors");
    const encoded = await encodeVideo(within("films", "1.mp4"), {
      checkpoint: report.checkpoint,
      out: film,
      backend: "wasm",
    });
    expect(encoded).toMatchObject({ windows: 1, form: "lattice" });

    const refused = async (options: Partial<TrainOnVideosOptions>): Promise<unknown> =>
      trainOnVideos([within("films")], { ...small, out: within("none"), ...options }).catch(
        (thrown: unknown) => thrown,
      );
    const usage = (name: string): unknown =>
      expect.objectContaining({ code: "usage", message: expect.stringContaining(name) as string });
    expect(await refused({ settings: { pointsPerClip: 8 } })).toEqual(
      usage("pointsPerClip applies to the paper's form"),
    );
    expect(await refused({ lpips: "vgg" })).toEqual(usage("lpips applies to the paper's form"));
    expect(await refused({ form: "paper" })).toEqual(usage("The training has the lattice form, not the paper's form"));
    const steps = { settings: { totalSteps: 2 } };
    const size = { height: 16, width: 16 };
    expect(await refused({ config: preset("test"), ...steps, size })).toEqual(
      usage("size applies to the lattice form"),
    );
    expect(await refused({ ...steps, size: { height: 12, width: 16 } })).toMatchObject({ code: "config" });
    expect(await refused({ ...steps, size: { height: 64, width: 64 } })).toMatchObject({ code: "input" });
    expect(await readdir(folder)).not.toContain("none");
  });
});

describe("the footage of a lattice training", () => {
  it("has a short side half as long again as the largest window, and twice its frames", () => {
    const wide = { ...shape, frames: 16, width: 32, clips: 1 };
    expect(footageFrames({ shapes: [wide], firstShapes: [shape] })).toMatchObject({
      shortSide: 48,
      frames: 32,
      clips: 2,
    });
  });

  it("is of no use where it is smaller or shorter than every window", () => {
    const { problemOf } = footageFrames({ shapes: [shape], firstShapes: [] });
    const clip = { data: new Uint8Array(0), frameCount: 8, height: 16, width: 20 };
    expect(problemOf(clip, "a.mp4")).toBeUndefined();
    expect(problemOf({ ...clip, width: 12 }, "a.mp4")).toContain('"a.mp4" has 8 frames of 12x16');
    expect(problemOf({ ...clip, frameCount: 7 }, "a.mp4")).toContain("the smallest has 8 of 16x16");
  });

  it("has pictures that are scaled down, and lists those that cannot be read", async () => {
    const { pictures, skipped } = await readPictures(await findPictures([within("pictures")]), {});
    expect(pictures[0]!.levels[0]).toMatchObject({ height: 60, width: 80 });
    expect(skipped.map(({ video }) => video)).toEqual([within("pictures", "broken.png")]);
  });
});

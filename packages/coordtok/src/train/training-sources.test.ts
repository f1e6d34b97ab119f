import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { prepareBackend } from "@coordtok/backend";
import { isCoordTokError, messageOf } from "@coordtok/core";
import { listCheckpoints } from "@coordtok/core/node";
import { preset as generatorPreset } from "@coordtok/diffusion";
import { preset } from "@coordtok/tokenizer";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeDataset } from "../latents/encode-dataset.js";
import { trainOnLatents, type TrainOnLatentsOptions } from "./train-on-latents.js";
import { trainOnVideos, type TrainOnVideosOptions } from "./train-on-videos.js";

let root = "";
const at = (...names: string[]): string => join(root, ...names);

async function video(path: string, seed: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const made = framesFromClip(syntheticClip({ frames: 16, height: 32, width: 32, seed }), 25);
  await writeVideo(path, made, { fps: 25, overwrite: true });
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "coordtok-sources-"));
  await prepareBackend("training", { backend: "wasm" });
  await video(at("videos/cats/a.mp4"), 1);
  await video(at("videos/dogs/b.mp4"), 2);
  await video(at("held.mp4"), 3);
  await train([at("videos")], { out: at("run"), config: preset("test"), validation: [at("held.mp4")] }, 4);
}, 240_000);

afterAll(async () => {
  await rm(root, { recursive: true });
});

interface Told {
  readonly error?: { readonly code: string; readonly text: string };
  readonly warnings: string[];
  readonly notes: string[];
}

type Listening = Pick<TrainOnVideosOptions, "onWarning" | "onNote">;

async function told(call: (listening: Listening) => Promise<unknown>): Promise<Told> {
  const [warnings, notes]: [string[], string[]] = [[], []];
  const listening = {
    onWarning: (text: string) => void warnings.push(text),
    onNote: (text: string) => void notes.push(text),
  };
  try {
    await call(listening);
    return { warnings, notes };
  } catch (thrown) {
    if (!isCoordTokError(thrown)) throw thrown;
    return { error: { code: thrown.code, text: messageOf(thrown) }, warnings, notes };
  }
}

function train(paths: readonly string[], options: TrainOnVideosOptions, steps: number): Promise<Told> {
  const settings = { totalSteps: steps, batchSize: 1, pointsPerClip: 8 };
  return told((listening) =>
    trainOnVideos(paths, { backend: "wasm", settings, saveEvery: 1, keep: 2, ...options, ...listening }),
  );
}

/** Resumes without asking again for how often it saves. */
function resume(steps: number, paths: readonly string[] = []): Promise<Told> {
  return train(paths, { resume: at("run"), saveEvery: undefined, keep: undefined }, steps);
}

describe("a training of a tokenizer that is resumed", { timeout: 240_000 }, () => {
  it("goes on with the same videos, and saves and keeps as often as before", async () => {
    expect(await resume(6)).toMatchObject({ warnings: [] });
    expect((await listCheckpoints(at("run"))).map(({ step }) => step)).toEqual([5, 6]);
    const { keeping, sources } = JSON.parse(await readFile(at("run/config.json"), "utf8")) as {
      keeping: unknown;
      sources: unknown[];
    };
    expect(keeping).toEqual({ saveEvery: 1, keep: 2 });
    expect(sources).toHaveLength(3);
  });

  it("stops at a video with another content, trained on or held out, and at one that is gone, and names the way out", async () => {
    const path = at("videos/cats/a.mp4");
    const bytes = await readFile(path);
    await video(path, 9);
    expect((await resume(8)).error).toMatchObject({
      code: "input",
      text: expect.stringMatching(
        /cats\/a\.mp4" has another content .* put the old file back, or start a new/,
      ) as string,
    });
    await rm(path);
    expect((await resume(8)).error?.text).toMatch(/cats\/a\.mp4" is no longer there.*put it back/);
    await writeFile(path, bytes);
    const held = await readFile(at("held.mp4"));
    await video(at("held.mp4"), 10);
    expect((await resume(8)).error?.text).toMatch(/held\.mp4" has another content/);
    await writeFile(at("held.mp4"), held);
    // The same bytes at another time are the same video.
    expect(await resume(7)).toMatchObject({ warnings: [] });
  });

  it("names other videos that it is given", async () => {
    const { warnings } = await resume(8, [at("videos/dogs")]);
    expect(warnings.join()).toMatch(/goes on with other videos .* without 1 video, the first .*cats\/a\.mp4/);
  });

  it("says so where an older version recorded no content", async () => {
    const config = JSON.parse(await readFile(at("run/config.json"), "utf8")) as Record<string, unknown>;
    delete config["sources"];
    await writeFile(at("run/config.json"), JSON.stringify(config));
    expect((await resume(9)).notes.join()).toContain("did not record the content of its sources");
  });
});

describe("a training of a generator that is resumed", { timeout: 240_000 }, () => {
  const encode = (): Promise<unknown> =>
    encodeDataset(at("videos"), { checkpoint: at("run"), out: at("latents"), backend: "wasm" });
  const generate = (steps: number, options: TrainOnLatentsOptions): Promise<Told> =>
    told((listening) =>
      trainOnLatents(options.resume === undefined ? at("latents") : undefined, {
        backend: "wasm",
        settings: { totalSteps: steps, batchSize: 1 },
        previewEvery: 0,
        ...options,
        ...listening,
      }),
    );

  it(
    "refuses latents to which a class was added, or whose clips were encoded again",
    { timeout: 240_000 },
    async () => {
      await encode();
      const config: TrainOnLatentsOptions["config"] = (planes, classes) =>
        generatorPreset("test/2", { planes, classes });
      expect((await generate(1, { out: at("generator"), config })).error).toBeUndefined();
      const resumed = { resume: at("generator"), previewEvery: undefined };
      expect((await generate(2, resumed)).error).toBeUndefined();
      await video(at("videos/fish/c.mp4"), 5);
      await encode();
      const refused = await generate(3, resumed);
      expect(refused.error?.code).toBe("input");
      expect(refused.error?.text).toMatch(
        /not those that the training began with: the class "fish" was added\. Train a new/,
      );
      const record = JSON.parse(await readFile(at("generator/config.json"), "utf8")) as Record<string, unknown>;
      delete record["sources"];
      await writeFile(at("generator/config.json"), JSON.stringify(record));
      expect((await generate(3, resumed)).error?.text).toMatch(/they have 3 classes, and it began with 2/);
    },
  );

  it("refuses files that were encoded again", async () => {
    const config: TrainOnLatentsOptions["config"] = (planes, classes) => generatorPreset("test/2", { planes, classes });
    expect((await generate(1, { out: at("second"), config })).error).toBeUndefined();
    await video(at("videos/dogs/b.mp4"), 12);
    await encode();
    expect((await generate(2, { resume: at("second") })).error?.text).toMatch(
      /not those that the training began with: shard-/,
    );
  });
});

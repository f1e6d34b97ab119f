import { cp, link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareBackend } from "@coordtok/backend";
import { writeAtomically } from "@coordtok/core/node";
import { preset as generatorPreset } from "@coordtok/diffusion";
import { evaluateReconstruction, mergeEvaluations } from "@coordtok/evaluation";
import { CoordTok, encodeTokenizer, preset } from "@coordtok/tokenizer";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeToVideo } from "../clip/decode-to-video.js";
import { encodeVideo } from "../clip/encode-video.js";
import { reconstructVideo } from "../clip/reconstruct-video.js";
import { encodeDataset } from "../latents/encode-dataset.js";
import { runStarterDemo } from "../starter-demo.js";
import { runDemo } from "../train/train-demo.js";
import { trainOnLatents } from "../train/train-on-latents.js";
import { trainOnVideos } from "../train/train-on-videos.js";

const config = preset("test");
const backend = "wasm";
const long = 120_000;
let folder = "";
const at = (...names: string[]): string => join(folder, ...names);
const mark = ".coordtok.json";

/** Everything below a folder with its bytes. */
async function contentOf(path: string): Promise<Record<string, string>> {
  const items = await readdir(path, { recursive: true, withFileTypes: true });
  const files = items.filter((item) => item.isFile()).map((item) => join(item.parentPath, item.name));
  return Object.fromEntries(
    await Promise.all(files.map(async (file): Promise<[string, string]> => [file, await readFile(file, "latin1")])),
  );
}

const settings = { pointsPerClip: 16, batchSize: 1, totalSteps: 2, warmupSteps: 0 } as const;

/** Each command that owns its folder, small. */
const commands: Readonly<Record<string, (out: string) => Promise<unknown>>> = {
  demo: (out) => runStarterDemo({ out, backend }),
  "demo --train": (out) => runDemo({ out, backend, config, steps: 2 }),
  reconstruct: (out) => reconstructVideo(at("videos", "a.mp4"), { checkpoint: at("model"), out, backend }),
  "encode-dataset": (out) => encodeDataset(at("videos"), { checkpoint: at("model"), out, backend }),
  evaluate: (out) => evaluateReconstruction([at("videos")], { against: at("videos"), out, backend, sanityClips: 0 }),
  "train-tokenizer": (out) => trainOnVideos([at("videos", "a.mp4")], { config, settings, out, backend }),
  "train-diffusion": (out) =>
    trainOnLatents(at("latents"), {
      config: (planes, classes) => generatorPreset("test/2", { planes, classes }),
      settings: { batchSize: 1, totalSteps: 2, warmupSteps: 0 },
      previewEvery: 0,
      out,
      backend,
    }),
};
const names = Object.keys(commands);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-folders-"));
  await prepareBackend("inference", { backend });
  using model = CoordTok.create(config, { seed: 5 });
  await writeAtomically(at("model"), encodeTokenizer(config, model.params));
  await mkdir(at("videos"));
  const clip = syntheticClip({ frames: 16, height: 32, width: 32 });
  await writeVideo(at("videos", "a.mp4"), framesFromClip(clip, 25), { fps: 25 });
  await encodeDataset(at("videos"), { checkpoint: at("model"), out: at("latents"), backend });
}, long);

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe.each(names)("%s", (name) => {
  const command = commands[name]!;

  it(
    "refuses a folder of other things, also under names of its own, and changes nothing there",
    async () => {
      const foreign = [
        ["thesis.txt"],
        ["source.mp4", "run/config.json", "run/precious.txt"],
        ["report.json", "settings.json", "strips/a.png", "index.json"],
        ["summary.json", "side-by-side.mp4", "checkpoints/step-000001.safetensors"],
      ];
      for (const [number, files] of foreign.entries()) {
        const out = at(`foreign-${number}`);
        for (const file of files) {
          await mkdir(join(out, file, ".."), { recursive: true });
          await writeFile(join(out, file), "somebody's");
        }
        const before = await contentOf(out);
        await expect(command(out)).rejects.toMatchObject({
          code: "file-exists",
          sentence: expect.stringContaining("choose a new or an empty folder") as string,
        });
        expect(await contentOf(out)).toEqual(before);
      }
    },
    long,
  );

  it(
    "marks its folder, knows it again without the mark, and refuses those of all others",
    async () => {
      const out = at(`own ${name}`);
      await command(out);
      const stored = JSON.parse(await readFile(join(out, mark), "utf8")) as { command: string };
      expect(stored.command).toBe(name.startsWith("train") ? "training" : name);
      const old = at(`old ${name}`);
      await cp(out, old, { recursive: true });
      for (const item of await readdir(old, { recursive: true, withFileTypes: true }))
        if (item.name === mark) await rm(join(item.parentPath, mark));
      const again = await command(old).then(
        () => "done",
        (thrown: unknown) => String((thrown as { readonly sentence?: string }).sentence),
      );
      // A reconstruction asks for overwriting, and a training never begins again where there is one.
      const expected =
        name === "reconstruct" ? /already exists/ : name.startsWith("train") ? /already holds a training/ : /^done$/;
      expect(again).toMatch(expected);
      const before = await contentOf(out);
      for (const other of names) {
        if (other === name || (other.startsWith("train") && name.startsWith("train"))) continue;
        await expect(commands[other]!(out)).rejects.toMatchObject({ code: "file-exists" });
      }
      expect(await contentOf(out)).toEqual(before);
    },
    long,
  );
});

describe("an input among the outputs is refused and stays as it is", { timeout: long }, () => {
  it.each(["demo", "demo --train"])("of %s", async (name) => {
    const out = at(`own ${name}`);
    const video = join(out, "side-by-side.mp4");
    const [soft, hard] = [at(`${name}-soft.mp4`), at(`${name}-hard.mp4`)];
    await symlink(video, soft);
    await link(video, hard);
    const before = await contentOf(out);
    for (const input of [video, soft, hard]) {
      const run =
        name === "demo" ? runStarterDemo({ video: input, out, backend }) : runDemo({ video: input, out, backend });
      await expect(run).rejects.toMatchObject({
        code: "file-exists",
        sentence: expect.stringContaining(`the input "${input}"`) as string,
      });
    }
    expect(await contentOf(out)).toEqual(before);
  });

  it("of encode and decode, and of a merge", async () => {
    await encodeVideo(at("videos", "a.mp4"), { checkpoint: at("model"), out: at("t.safetensors"), backend });
    for (const out of [at("videos", "a.mp4"), at("model")])
      await expect(
        encodeVideo(at("videos", "a.mp4"), { checkpoint: at("model"), out, overwrite: true, backend }),
      ).rejects.toMatchObject({ code: "file-exists" });
    await symlink(at("t.safetensors"), at("t.mp4"));
    await expect(
      decodeToVideo(at("t.safetensors"), { out: at("t.mp4"), overwrite: true, backend }),
    ).rejects.toMatchObject({ code: "file-exists" });
    const part = at("part");
    const whole = { number: 1, of: 1 };
    const common = { backend, sanityClips: 0, part: whole } as const;
    await evaluateReconstruction([at("videos")], { against: at("videos"), out: part, ...common });
    const before = await contentOf(part);
    await expect(mergeEvaluations([part], { out: part, overwrite: true })).rejects.toMatchObject({
      code: "file-exists",
    });
    expect(await contentOf(part)).toEqual(before);
  });
});

describe("what a user puts beside the results", { timeout: long }, () => {
  it("stays when an evaluation or a dataset goes on or starts over", async () => {
    for (const name of ["evaluate", "encode-dataset"]) {
      const out = at(`own ${name}`);
      await writeFile(join(out, "notes.txt"), "mine");
      await commands[name]!(out);
      expect(await readFile(join(out, "notes.txt"), "utf8")).toBe("mine");
    }
    await evaluateReconstruction([at("videos")], {
      against: at("videos"),
      out: at("own evaluate"),
      overwrite: true,
      backend,
      sanityClips: 0,
      seed: 3,
    });
    await encodeDataset(at("videos"), {
      checkpoint: at("model"),
      out: at("own encode-dataset"),
      overwrite: true,
      flip: true,
      backend,
    });
    for (const name of ["evaluate", "encode-dataset"])
      expect(await readFile(join(at(`own ${name}`), "notes.txt"), "utf8")).toBe("mine");
  });
});

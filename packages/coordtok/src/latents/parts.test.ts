import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareBackend } from "@coordtok/backend";
import { acquireLock, writeAtomically } from "@coordtok/core/node";
import { CoordTok, encodeTokenizer, preset } from "@coordtok/tokenizer";
import { planeNames } from "@coordtok/triplane";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeDataset, type EncodeDatasetOptions, type EncodeDatasetReport } from "./encode-dataset.js";
import { openLatents } from "./open-latents.js";
import { openShard } from "./shard.js";

const config = preset("test");
const frames = config.clip.frames;
let folder = "";
const at = (...names: string[]): string => join(folder, ...names);

const encode = (out: string, options: Partial<EncodeDatasetOptions> = {}): Promise<EncodeDatasetReport> =>
  encodeDataset(at("videos"), {
    checkpoint: at("tokenizer.safetensors"),
    out: at(out),
    backend: "wasm",
    shardSize: 3,
    ...options,
  });
const part = (number: number, of = 3): { readonly part: { readonly number: number; readonly of: number } } => ({
  part: { number, of },
});

async function write(name: string, length: number, seed: number): Promise<void> {
  const clip = syntheticClip({ frames: length, height: 32, width: 32, seed });
  await writeVideo(at("videos", name), framesFromClip(clip, 25), { fps: 25 });
}

/** Every clip by what it is of, with its planes. */
async function clipsIn(out: string): Promise<Record<string, number[]>> {
  await using latents = await openLatents(at(out));
  const places: string[] = [];
  for (const { file } of latents.index.shards)
    for (const { video, start } of (await openShard(at(out, file))).clips) places.push(`${video} ${start}`);
  const clips: [string, number[]][] = [];
  for (const [index, place] of places.entries()) {
    const { triplane } = await latents.get(index);
    const values = await Promise.all(planeNames.map(async (name) => [...(await triplane[name].data())]));
    for (const name of planeNames) triplane[name].dispose();
    clips.push([place, values.flat()]);
  }
  expect(new Set(places).size).toBe(places.length);
  return Object.fromEntries(clips.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const clipsOfPart = async (out: string, number: number, of = 3): Promise<number> => {
  const names = (await readdir(at(out))).filter((name) => name.startsWith(`shard-${number}of${of}-`));
  const shards = await Promise.all(names.map((name) => openShard(at(out, name))));
  return shards.reduce((sum, { clips }) => sum + clips.length, 0);
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-dataset-parts-"));
  await mkdir(at("videos"));
  // One film of ten clips and a rest, among five of one.
  await write("c-film.mkv", 10 * frames + 2, 1);
  for (const [index, name] of ["a", "b", "d", "e", "f"].entries()) await write(`${name}.mkv`, frames, index + 2);
  await prepareBackend("inference", { backend: "wasm" });
  using model = CoordTok.create(config, { seed: 5 });
  await writeAtomically(at("tokenizer.safetensors"), encodeTokenizer(config, model.params));
  await encode("whole");
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("parts of a dataset", { timeout: 60_000 }, () => {
  it("share a film that is longer than a part, and the last one to end completes the index", async () => {
    const notes: string[] = [];
    for (const number of [2, 3]) {
      const report = await encode("parts", { ...part(number), onNote: (line) => notes.push(line) });
      expect(report.complete).toBe(false);
    }
    expect(notes.filter((line) => line.startsWith("Dealing"))).toEqual([
      "Dealing 6 videos to 3 parts by their durations",
    ]);
    expect(notes.filter((line) => line.startsWith("Not finished")).at(-1)).toBe(
      "Not finished yet: part 1 (0 of 3 videos) of 3; the last one completes the index",
    );
    expect(await encode("parts", part(1))).toMatchObject({ complete: true, clips: 15, encoded: 5, videos: 6 });
    expect(await Promise.all([1, 2, 3].map((number) => clipsOfPart("parts", number)))).toEqual([5, 5, 5]);
    expect(await clipsIn("parts")).toEqual(await clipsIn("whole"));
    const [divided, whole] = await Promise.all(["parts", "whole"].map((out) => openLatents(at(out))));
    for (const name of planeNames)
      for (const key of ["mean", "squares"] as const)
        for (const [channel, value] of divided!.index.statistics[name][key].entries())
          expect(value).toBeCloseTo(whole!.index.statistics[name][key][channel]!, 6);
    await Promise.all([divided!.close(), whole!.close()]);
  });

  it("that are started again encode nothing twice, and neither does a run without a part", async () => {
    expect(await encode("parts", part(2))).toMatchObject({ encoded: 0, complete: true });
    expect(await encode("parts")).toMatchObject({ encoded: 0, complete: true });
  });

  it("are read while others are still written, and each pass takes in what came since", async () => {
    await encode("reading", part(1));
    await using latents = await openLatents(at("reading"));
    expect([latents.index.complete, latents.length]).toEqual([false, 5]);
    const read = latents.read({ seed: 1, passes: 2 });
    const take = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        const { value } = await read.next();
        for (const name of planeNames) value!.triplane[name].dispose();
      }
    };
    await take(4);
    await encode("reading", part(2));
    expect(latents.length).toBe(5);
    await take(2);
    expect([latents.index.complete, latents.length]).toEqual([false, 10]);
    await read.return();
  });

  it("that are stopped go on where they were", async () => {
    const stop = new AbortController();
    const stopped = encode("stopped", {
      ...part(2),
      signal: stop.signal,
      onProgress: ({ task, detail }) => {
        if (task === "encode" && detail?.startsWith("4 clips") === true) stop.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: "aborted" });
    expect(await clipsOfPart("stopped", 2)).toBe(4);
    expect(await encode("stopped", part(2))).toMatchObject({ encoded: 1, clips: 5 });
  });

  it("are the same part for nobody else at a time", async () => {
    await using lock = await acquireLock(at("stopped", ".coordtok.part-2of3.lock"));
    await expect(encode("stopped", part(2))).rejects.toMatchObject({
      code: "file-exists",
      message: expect.stringMatching(/^Part 2\/3 of ".*stopped" is in use: process \d+/) as string,
    });
    await lock.release();
  });

  it("agree on their deal when a video was added or replaced after the first of them had begun", async () => {
    await cp(at("videos"), at("kept"), { recursive: true });
    try {
      await encode("grown", part(1));
      await rm(at("videos", "c-film.mkv"));
      await write("c-film.mkv", 4 * frames, 9);
      await write("d2.mkv", frames, 8);
      const rest = [await encode("grown", part(2)), await encode("grown", part(3))];
      expect(rest.map(({ skipped }) => skipped)).toEqual([[], []]);
      await encode("grown", part(1));
      expect(await encode("grown")).toMatchObject({ encoded: 0, complete: true, clips: 10 });
    } finally {
      for (const name of await readdir(at("videos"))) await rm(at("videos", name));
      await cp(at("kept"), at("videos"), { recursive: true });
    }
  });

  it("whose file is missing or broken are named, and what is missing alone is encoded again", async () => {
    await cp(at("parts"), at("broken"), { recursive: true });
    await truncate(at("broken", "shard-2of3-00000.safetensors"), 200);
    await expect(encode("broken", part(2))).rejects.toMatchObject({
      code: "file-format",
      sentence: expect.stringContaining("shard-2of3-00000.safetensors") as string,
      options: { repair: true },
    });
    await rm(at("broken", "shard-3of3-00000.safetensors"));
    const notes: string[] = [];
    const again = await encode("broken", { ...part(2), repair: true, onNote: (line) => notes.push(line) });
    expect(again).toMatchObject({ encoded: 3, complete: false });
    expect(notes.at(-1)).toMatch(/^Not finished yet: part 3 \(\d of \d videos\) of 3/);
    expect(await encode("broken", part(3))).toMatchObject({ encoded: 3, complete: true });
    expect(await clipsIn("broken")).toEqual(await clipsIn("whole"));
  });

  it("deal anew when the file of their deal is damaged, without encoding anything twice", async () => {
    await cp(at("stopped"), at("dealt"), { recursive: true });
    const deal = await readFile(at("dealt", ".coordtok.deal-3.json"), "utf8");
    for (const text of ["", "{}", deal.replace('"stretch"', '"strech"'), deal.replace('"of":3', '"of":4')]) {
      await writeFile(at("dealt", ".coordtok.deal-3.json"), text);
      expect(await encode("dealt", part(2))).toMatchObject({ encoded: 0 });
      expect(await readFile(at("dealt", ".coordtok.deal-3.json"), "utf8")).toBe(deal);
    }
  });
});

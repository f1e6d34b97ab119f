import { prepareBackend } from "@coordtok/backend";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { clipFromRgb, isCoordTokError } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { encodeTokenizer, preset, CoordTok } from "@coordtok/tokenizer";
import { collectStats, disposeTriplane, planeNames, type LabelledTriplane, type Triplane } from "@coordtok/triplane";
import { expectNoLeak } from "@coordtok/tools";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { findFfmpeg, readClip, writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeDataset, type EncodeDatasetOptions, type EncodeDatasetReport } from "./encode-dataset.js";
import { openLatents, type ReadLatentsOptions } from "./open-latents.js";

const config = preset("test");
let folder = "";
let videos = "";
let checkpoint = "";
/** The number of clips: videos of 48 frames give three and those of 20 frames one, each also mirrored. */
const clipCount = 2 * (3 + 3 + 1 + 1);

async function writeSynthetic(name: string, frames: number, seed: number): Promise<void> {
  const path = join(videos, name);
  await mkdir(dirname(path), { recursive: true });
  await writeVideo(path, framesFromClip(syntheticClip({ frames, height: 40, width: 56, seed }), 25), { fps: 25 });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-dataset-"));
  videos = join(folder, "videos");
  checkpoint = join(folder, "tokenizer.safetensors");
  await writeSynthetic("Walking/b.mp4", 48, 1);
  await writeSynthetic("Juggling/c.mp4", 48, 2);
  const [written, avi] = ["c.mp4", "c.avi"].map((name) => join(videos, "Juggling", name));
  const { path, prefix } = await findFfmpeg();
  const args = ["-v", "error", "-i", `file:${written!}`, "-c:v", "mpeg4", "-q:v", "2", `file:${avi!}`];
  execFileSync(path, [...prefix, ...args]);
  await rm(written!);
  await writeSynthetic("Juggling/d.webm", 20, 3);
  await writeSynthetic("Walking/a.mkv", 20, 4);
  await writeSynthetic("Walking/short.mp4", 9, 5);
  await writeFile(
    join(videos, "Juggling", "broken.mp4"),
    (await readFile(join(videos, "Walking/b.mp4"))).subarray(0, 900),
  );
  await prepareBackend("inference", { backend: "wasm" });
  using model = CoordTok.create(config, { seed: 5 });
  await writeAtomically(checkpoint, encodeTokenizer(config, model.params));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

const encodeInto = (name: string, options: Partial<EncodeDatasetOptions> = {}): Promise<EncodeDatasetReport> =>
  encodeDataset(videos, { checkpoint, out: join(folder, name), backend: "wasm", flip: true, shardSize: 3, ...options });

/** The clips as they were read, each as a digest of its label and values. */
async function contents(name: string, options: ReadLatentsOptions & { passes: number }): Promise<string[]> {
  await using latents = await openLatents(join(folder, name));
  const read: string[] = [];
  for await (const item of latents.read(options)) read.push(await digestOf(item));
  return read;
}

async function digestOf({ triplane, labels }: LabelledTriplane): Promise<string> {
  const planes = await Promise.all(planeNames.map((plane) => triplane[plane].data()));
  disposeTriplane(triplane);
  const hash = createHash("sha256").update(String(labels));
  for (const values of planes) hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return hash.digest("hex");
}

const inOrder = { shuffle: false, passes: 1 };

describe("encodeDataset", () => {
  it(
    "encodes class folders of mp4, avi, mkv and webm, skips broken and short ones and lists them, and frees all",
    { timeout: 60_000 },
    async () => {
      const report = await expectNoLeak(() => encodeInto("whole"));
      expect(report).toMatchObject({ clips: clipCount, encoded: clipCount, videos: 6, complete: true, tokens: 192 });
      expect(report.classes).toEqual(["Juggling", "Walking"]);
      expect(report.skipped.map(({ video }) => video)).toEqual(["Juggling/broken.mp4", "Walking/short.mp4"]);
      expect(report.skipped[1]!.reason).toContain("9 frames");
      const files = (await readdir(join(folder, "whole"))).sort();
      expect(files).toEqual([
        ".coordtok.json",
        "index.json",
        ...[0, 1, 2, 3, 4, 5].map((i) => `shard-0000${i}.safetensors`),
      ]);
    },
  );

  it("stores what the tokenizer encodes the same frames to, with the class of the folder", async () => {
    const { clip } = await readClip(join(videos, "Walking/b.mp4"), { start: 16, length: 16, size: config.clip });
    using model = CoordTok.create(config, { seed: 5 });
    const { frames, validFrames } = clipFromRgb([clip]);
    const expected = await digestOf({ triplane: model.encode({ frames, validFrames }), labels: [1] });
    frames.dispose();
    expect((await contents("whole", inOrder)).filter((text) => text === expected)).toHaveLength(1);
  });

  it("is not read with options that reading does not have", async () => {
    const slip = { ...inOrder, suffle: false };
    await expect(contents("whole", slip)).rejects.toThrow(
      'Unknown option "suffle" of Latents.read; did you mean "shuffle"?',
    );
  });

  it("stores the statistics of all latents, merged from those of the shards", async () => {
    await using latents = await openLatents(join(folder, "whole"));
    async function* all(): AsyncGenerator<Triplane> {
      for await (const { triplane } of latents.read(inOrder)) {
        yield triplane;
        disposeTriplane(triplane);
      }
    }
    const expected = await collectStats(all());
    for (const plane of planeNames) {
      const { count, mean, squares } = latents.index.statistics[plane];
      expect(count).toBe(expected[plane].count);
      mean.forEach((value, channel) => expect(value).toBeCloseTo(expected[plane].mean[channel]!, 6));
      squares.forEach((value, channel) => expect(value / expected[plane].squares[channel]!).toBeCloseTo(1, 6));
    }
  });

  it("repeats no finished work, and adds new videos", { timeout: 30_000 }, async () => {
    expect(await encodeInto("whole")).toMatchObject({ clips: clipCount, encoded: 0, complete: true });
    await writeSynthetic("Aerobics/new.mp4", 16, 6);
    const report = await encodeInto("whole");
    await rm(join(videos, "Aerobics"), { recursive: true });
    expect(report).toMatchObject({ clips: clipCount + 2, encoded: 2, classes: ["Juggling", "Walking", "Aerobics"] });
  });

  it("a stopped and resumed run holds the same latents as an uninterrupted one", { timeout: 120_000 }, async () => {
    const stop = new AbortController();
    const thrown: unknown = await expectNoLeak(() =>
      encodeInto("stopped", {
        signal: stop.signal,
        // The run stops in the middle of a video and in the middle of a shard.
        onProgress: ({ detail }) => {
          if (detail?.startsWith("5 clips")) stop.abort();
        },
      }).catch((error: unknown) => error),
    );
    expect(isCoordTokError(thrown) && [thrown.code, thrown.message]).toEqual([
      "aborted",
      expect.stringContaining("The same command resumes") as string,
    ]);
    expect(await contents("stopped", inOrder)).toHaveLength(5);
    const report = await encodeInto("stopped");
    expect(report).toMatchObject({ clips: clipCount, encoded: clipCount - 5, complete: true });
    await encodeInto("fresh");
    expect(await contents("stopped", inOrder)).toEqual(await contents("fresh", inOrder));
  });

  it("parts share a folder, and a run without a part completes the index", { timeout: 60_000 }, async () => {
    const first = await encodeInto("parts", { part: { number: 1, of: 2 } });
    expect(first.complete).toBe(false);
    await encodeInto("parts", { part: { number: 2, of: 2 } });
    expect(await encodeInto("parts")).toMatchObject({ clips: clipCount, encoded: 0, complete: true });
    expect((await contents("parts", inOrder)).sort()).toEqual((await contents("fresh", inOrder)).sort());
  });

  it(
    "refuses to mix latents made with different settings, unless it may replace them",
    { timeout: 60_000 },
    async () => {
      const error: unknown = await encodeInto("fresh", { crops: 2, dtype: "F16" }).catch((thrown: unknown) => thrown);
      expect(isCoordTokError(error) && error.code).toBe("file-exists");
      expect((error as Error).message).toContain("crops 1 instead of 2, dtype F32 instead of F16");
      const report = await encodeInto("fresh", {
        dtype: "F16",
        flip: false,
        labels: "none",
        overwrite: true,
        shardSize: 256,
      });
      expect(report).toMatchObject({ clips: clipCount / 2, shards: 1, classes: [] });
    },
  );

  it("F16 preserves latents to three digits, and a folder without classes has the label 0", async () => {
    await using halves = await openLatents(join(folder, "fresh"));
    await using floats = await openLatents(join(folder, "stopped"));
    const [half, whole] = [await halves.get(0), await floats.get(0)];
    expect([half.labels, whole.labels]).toEqual([[0], [0]]);
    const [rounded, exact] = [await half.triplane.xy.data(), await whole.triplane.xy.data()];
    rounded.forEach((value, i) => expect(Math.abs(value - exact[i]!)).toBeLessThan(2e-3));
    expect(rounded).not.toEqual(exact);
    for (const { triplane } of [half, whole]) disposeTriplane(triplane);
  });

  it("takes the videos of a list in the form of UCF-101, and names one that is missing", async () => {
    const list = join(folder, "trainlist.txt");
    await writeFile(list, "Walking/b.mp4 2\r\nJuggling/d.webm 1\r\n");
    expect(await encodeInto("listed", { lists: [list] })).toMatchObject({ videos: 2, clips: 8 });
    await writeFile(list, "Walking/b.mp4 2\r\nWalking/gone.avi 2\r\n");
    await expect(encodeInto("listed", { lists: [list] })).rejects.toThrow("the first is Walking/gone.avi");
  });

  it("fails with one sentence when no video can be read", async () => {
    const list = join(folder, "broken.txt");
    await writeFile(list, "Juggling/broken.mp4");
    await expect(encodeInto("nothing", { lists: [list] })).rejects.toThrow("None of the 1 video gives a clip");
    expect(await readdir(join(folder, "nothing"))).toEqual([".coordtok.json"]);
    await expect(openLatents(join(folder, "nothing"))).rejects.toThrow("expected a folder of encoded latents");
  });
});

describe("openLatents", () => {
  it("yields every clip once in each pass, in an order determined by the seed", async () => {
    const sorted = (await contents("stopped", inOrder)).sort();
    const [a, again, other] = [
      await contents("stopped", { seed: 1, passes: 2 }),
      await contents("stopped", { seed: 1, passes: 2 }),
      await contents("stopped", { seed: 2, passes: 1 }),
    ];
    expect(again).toEqual(a);
    expect(other).not.toEqual(a.slice(0, clipCount));
    expect(a.slice(clipCount)).not.toEqual(a.slice(0, clipCount));
    for (const pass of [a.slice(0, clipCount), a.slice(clipCount), other]) expect([...pass].sort()).toEqual(sorted);
  });

  it("resumes anywhere in that order, even passes later", async () => {
    const whole = await contents("stopped", { seed: 7, passes: 3 });
    for (const start of [1, clipCount - 1, clipCount, 2 * clipCount + 5])
      expect(await contents("stopped", { seed: 7, passes: 3, start })).toEqual(whole.slice(start));
  });

  it("reports a folder whose shards do not fit its index", async () => {
    await rm(join(folder, "listed", "shard-00001.safetensors"));
    await expect(openLatents(join(folder, "listed"))).rejects.toThrow("shard-00001");
  });
});

import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareBackend } from "@coordtok/backend";
import { writeAtomically } from "@coordtok/core/node";
import { CoordTok, encodeTokenizer, preset } from "@coordtok/tokenizer";
import { statsFromOfficialLog } from "@coordtok/triplane/official";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { findFfmpeg, writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { datasetVideos } from "./dataset-videos.js";
import { encodeDataset } from "./encode-dataset.js";

let folder = "";
const at = (...names: string[]): string => join(folder, ...names);
/** Reading that grows with the square of the length takes minutes for these texts. */
const linear = 10_000;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-videos-"));
  await prepareBackend("inference", { backend: "wasm" });
  const config = preset("test");
  using model = CoordTok.create(config, { seed: 5 });
  await writeAtomically(at("model.safetensors"), encodeTokenizer(config, model.params));
  await mkdir(at("videos"));
  const clip = syntheticClip({ frames: 16, height: 32, width: 32 });
  await writeVideo(at("videos", "a-good.mp4"), framesFromClip(clip, 25), { fps: 25 });
  await writeVideo(at("videos", "z-good.mp4"), framesFromClip(clip, 25), { fps: 25 });
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("a dataset with hostile videos", { timeout: 120_000 }, () => {
  it("skips and lists them, and encodes the others", async () => {
    const gif = Buffer.from(
      "GIF89a\0\0\0\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;",
      "latin1",
    );
    gif.writeUInt16LE(16_000, 6);
    gif.writeUInt16LE(16_000, 8);
    await writeFile(at("videos", "b-large.gif"), gif);
    await writeFile(at("videos", "c-list.mp4"), "#EXTM3U\n#EXTINF:1,\na-good.mp4\n");
    await writeFile(at("videos", "d-empty.mp4"), "");
    await writeFile(
      at("videos", "e-noise.mkv"),
      Buffer.from([0x1a, 0x45, 0xdf, 0xa3, 0xff, 0xff, 0xff, 0xff, 0, 1, 2]),
    );
    const { path, prefix } = await findFfmpeg();
    const title = `title=frame:0 pts:0 pts_time:777\n${"x".repeat(100_000)}`;
    const copy = ["-v", "error", "-i", at("videos", "a-good.mp4"), "-c", "copy", "-metadata", title];
    execFileSync(path, [...prefix, ...copy, at("videos", "f-told.mkv")]);
    const report = await encodeDataset(at("videos"), {
      checkpoint: at("model.safetensors"),
      out: at("latents"),
      backend: "wasm",
    });
    expect(report).toMatchObject({ clips: 3, videos: 7, complete: true });
    expect(report.skipped.map(({ video }) => video)).toEqual([
      "b-large.gif",
      "c-list.mp4",
      "d-empty.mp4",
      "e-noise.mkv",
    ]);
    expect(report.skipped[0]!.reason).toContain("16000x16000");
    expect(report.skipped[1]!.reason).toContain("an HLS playlist");
  });
});

describe("texts are read in a time that grows with their length alone", () => {
  it("a list with a line of blanks", { timeout: linear }, async () => {
    await writeFile(at("list.txt"), `a-good.mp4${" ".repeat(400_000)}x\n${" \t".repeat(200_000)}\n`);
    await expect(datasetVideos(at("videos"), { labels: "none", lists: [at("list.txt")] })).rejects.toMatchObject({
      code: "input",
    });
    await writeFile(at("list.txt"), `a-good.mp4${" ".repeat(400_000)}12\r\n`);
    const { videos: found } = await datasetVideos(at("videos"), { labels: "none", lists: [at("list.txt")] });
    expect(found.map(({ name }) => name)).toEqual(["a-good.mp4"]);
  });

  it("a log with lists that do not end", { timeout: linear }, () => {
    expect(() => statsFromOfficialLog("xy_mean: tensor([1, ".repeat(200_000))).toThrow("found none");
  });
});

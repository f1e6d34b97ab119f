import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { describeEachBackend } from "@coordtok/tools";
import { afterAll, beforeAll, expect, it } from "vitest";
import { reconstructVideo, type ReconstructReport } from "./reconstruct-video.js";

let folder = "";
let video = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-lattice-"));
  video = join(folder, "film.mkv");
  const clip = syntheticClip({ frames: 21, height: 40, width: 56, seed: 3 });
  await writeVideo(video, framesFromClip(clip, 20), { fps: 20 });
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describeEachBackend("a video through the starter", (backend) => {
  const out = (name: string): string => join(folder, `${backend}-${name}`);

  it("is encoded in windows, at any frame size, and the report counts what is kept", { timeout: 240_000 }, async () => {
    const report = await reconstructVideo(video, {
      out: out("windows"),
      backend,
      size: { height: 40, width: 52 },
      windowFrames: 8,
      content: 8,
      motion: 4,
    });
    // Windows of 8, 8 and 5 frames: 2 blocks of time each, 5 x 7 blocks of 8 x 8 pixels.
    const cells = { xy: 5 * 7, yt: 2 * 7, xt: 2 * 5 };
    const floats = 3 * (cells.xy * 8 + (cells.yt + cells.xt) * 4);
    expect(report).toMatchObject({ form: "lattice", windows: 3, floats, bytes: 2 * floats, backend });
    expect(report.tokens).toBe(3 * (cells.xy + cells.yt + cells.xt));
    expect(report.framesPsnrDb).toHaveLength(21);
    expect(report.psnrDb).toBeGreaterThan(20);
    expect(readdirSync(out("windows")).sort()).toEqual([
      ".coordtok.json",
      "planes.png",
      "reconstruction.mp4",
      "report.json",
      "side-by-side.mp4",
    ]);
    const written = JSON.parse(readFileSync(report.files.report, "utf8")) as ReconstructReport;
    expect(written.psnrDb).toBe(report.psnrDb);
  });

  it("is closer to the original with more channels", { timeout: 240_000 }, async () => {
    const psnr = async (channels: number): Promise<number> => {
      const budget = { content: channels, motion: channels };
      const common = { out: out(`channels-${channels}`), backend, size: { height: 40, width: 56 } };
      return (await reconstructVideo(video, { ...common, length: 8, ...budget })).psnrDb;
    };
    expect(await psnr(32)).toBeGreaterThan((await psnr(4)) + 1);
  });

  it.each([
    [{ content: 33 }, "Expected content to be a whole number of channels from 0 to the 32 of the planes, got 33"],
    [{ motion: -1 }, "Expected motion to be a whole number"],
    [{ size: { height: 7, width: 64 } }, "Expected a height of frames from 8 to 4096 pixels, got 7"],
    [{ windowFrames: 12 as 8 }, "Expected windows of 8, 16, 32, 64 frames, got 12"],
  ])("%j is refused with one sentence", async (wrong, sentence) => {
    await expect(reconstructVideo(video, { out: out("refused"), backend, ...wrong })).rejects.toMatchObject({
      code: "config",
      message: expect.stringContaining(sentence) as string,
    });
    expect(readdirSync(out("refused"))).toEqual([".coordtok.json"]);
  });
});

/** @module-tag ffmpeg */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeVideo } from "@coordtok/video/node";
import { expect, it } from "vitest";
import {
  addressOf,
  browserNames as names,
  bundleForBrowser,
  outcomeOfPage,
  programOnPath,
  servePage,
} from "./browser-program.js";
import type { SeenPictures } from "./browser-video-page.js";

const program = programOnPath(names);

/** Ten grey frames in two seconds, each 20 levels lighter than the one before. */
async function greyVideo(): Promise<Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), "coordtok-web-"));
  try {
    const path = join(folder, "levels.webm");
    const frames = Array.from({ length: 10 }, (_, i) => ({
      data: new Uint8Array(64 * 48 * 3).fill(20 + 20 * i),
      height: 48,
      width: 64,
      timestampSeconds: i / 5,
    }));
    await writeVideo(path, frames, { fps: 5, quality: "high" });
    return readFileSync(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it(
  "frames come from a canvas, its bytes, a bitmap, WebCodecs and a video of a page",
  { timeout: 120_000 },
  async ({ skip }) => {
    if (program === undefined) return skip(`none of ${names.join(", ")} is on PATH`);
    const bundle = await bundleForBrowser(join(import.meta.dirname, "browser-video-page.ts"));
    expect(bundle.outputFiles[0]!.text).not.toMatch(/["'`]node:/);
    const files = { "levels.webm": { type: "video/webm", body: await greyVideo() } };
    const server = await servePage({ script: bundle.outputFiles[0]!.text, files });
    try {
      const found = await outcomeOfPage<SeenPictures>(program, addressOf(server));
      const picture = { width: 10, height: 6, middle: [200, 60, 40] };
      expect(found.canvas).toEqual({ ...picture, timestampSeconds: 0 });
      expect(found.imageData).toEqual({ ...picture, timestampSeconds: 1.5 });
      expect(found.bitmap).toEqual({ ...picture, timestampSeconds: 3 });
      expect(found.videoFrame).toEqual({ ...picture, timestampSeconds: 2.5 });
      found.video.forEach(({ timestampSeconds }, i) => {
        expect(timestampSeconds).toBeCloseTo(i / 5, 9);
      });
      expect(found.video).toHaveLength(8);
      for (const [i, frame] of found.video.entries()) {
        expect(frame).toMatchObject({ width: 64, height: 48 });
        for (const level of frame.middle) expect(Math.abs(level - (60 + 20 * i)), `frame ${i}`).toBeLessThanOrEqual(4);
      }
      expect(found.placeAfterwards).toBeCloseTo(0.3, 3);
      expect(found.refused).toEqual([
        "Expected a picture that has loaded, got one without a size; wait for its load event.",
        "Expected 16 bytes for a picture of 2x2 with alpha, got 11.",
        "Expected a video that has loaded, got one without a size or a length; wait for loadedmetadata.",
        "Expected startSeconds from 0 to before 2, where the frames end, got 100.",
        "Stopped on request.",
      ]);
    } finally {
      server.close();
    }
  },
);

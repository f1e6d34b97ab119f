/** @module-tag ffmpeg */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { probe } from "./probe.js";
import { readFrames } from "./read-frames.js";

interface ManifestEntry {
  file: string;
  width: number;
  height: number;
  /** Decoded frames, which four containers miscount. */
  frames: number;
  fps: number;
  codec: string;
  pix_fmt: string;
}

const folder = fileURLToPath(new URL("../../../../../shared/data/clips/", import.meta.url));
const present = existsSync(`${folder}MANIFEST.json`);
if (!present) process.stdout.write(`skipped: the real clips are not at ${folder}\n`);
const clips = present
  ? (JSON.parse(readFileSync(`${folder}MANIFEST.json`, "utf8")) as { clips: ManifestEntry[] }).clips
  : [];

describe.skipIf(!present)("the real clips", () => {
  it("are 66", () => {
    expect(clips).toHaveLength(66);
  });

  it.each(clips.map((clip) => [clip.file, clip] as const))(
    "%s has the frames and the size of the manifest",
    { timeout: 60_000 },
    async (_, clip) => {
      const path = folder + clip.file;
      const info = await probe(path);
      expect(info).toMatchObject({
        width: clip.width,
        height: clip.height,
        codec: clip.codec,
        pixelFormat: clip.pix_fmt,
      });
      expect(info.averageFps).toBeCloseTo(clip.fps, 1);
      const size = { width: 32, height: 24 };
      const warnings: string[] = [];
      let count = 0;
      let last = -1;
      const onWarning = (text: string): unknown => warnings.push(text);
      for await (const frame of readFrames(path, {}, { info, size, resize: "fast", strict: true, onWarning })) {
        count++;
        expect(frame.data).toHaveLength(32 * 24 * 3);
        expect(frame.timestampSeconds).toBeGreaterThan(last);
        last = frame.timestampSeconds;
      }
      expect(count).toBe(clip.frames);
      expect(warnings).toEqual([]);
      // The size of the pictures themselves, not the one in the header.
      for await (const frame of readFrames(path, { length: 1 }, { info }))
        expect(frame).toMatchObject({ width: clip.width, height: clip.height });
    },
  );
});

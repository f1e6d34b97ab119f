import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { framesFromClip } from "../clip.js";
import { syntheticClip } from "../synthetic-clip.js";
import { countFrames, missingBytes, writeVideo } from "./index.js";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-missing-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function written(name: string): Promise<string> {
  const path = join(folder, name);
  await writeVideo(path, framesFromClip(syntheticClip({ frames: 40, height: 64, width: 64 }), 25), { fps: 25 });
  return path;
}

describe("bytes that a video file lacks", { timeout: 30_000 }, () => {
  it.each(["mp4", "webm", "mkv"])("are counted in %s, by what its container states", async (extension) => {
    const path = await written(`whole.${extension}`);
    expect(await missingBytes(path)).toBe(0);
    const bytes = await readFile(path);
    const cut = join(folder, `cut.${extension}`);
    await writeFile(cut, bytes.subarray(0, bytes.length - 1000));
    expect(await missingBytes(cut)).toBe(1000);
  });

  it("are none in other files, short or long", async () => {
    for (const content of [
      "",
      "short",
      "GIF89a and more than sixteen bytes",
      "\x1a\x45\xdf\xa3\xff\xff\xff\xff\xff\xff\xff\xff and",
    ]) {
      const path = join(folder, "other");
      await writeFile(path, Buffer.from(content, "latin1"));
      expect(await missingBytes(path)).toBe(0);
    }
  });
});

describe("frames that decode", { timeout: 30_000 }, () => {
  it("are counted by decoding, with the damage, once for each content", async () => {
    const path = await written("counted.mkv");
    expect(await countFrames(path)).toEqual({ frames: 40 });
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, Math.floor(bytes.length * 0.6)));
    const { frames, damage } = await countFrames(path);
    expect(frames).toBeLessThan(40);
    expect(damage).toMatch(/decoded/);
    // The answer is remembered, so a program that is not there is not missed.
    expect(await countFrames(path, { ffmpeg: "/nowhere/ffmpeg" })).toEqual({ frames, damage });
  });
});

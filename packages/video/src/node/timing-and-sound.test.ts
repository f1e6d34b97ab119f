/** @module-tag ffmpeg */
import { existsSync } from "node:fs";
import type { RgbFrame } from "@coordtok/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { probe } from "./probe.js";
import { readFrames } from "./read-frames.js";
import { failureOf, makeClipFolder, type ClipFolder } from "./testdata/make-clips.js";
import { writeVideo } from "./write-video.js";

let folder: ClipFolder;
let withSound = "";

beforeAll(() => {
  folder = makeClipFolder();
  withSound = folder.make(
    "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -f lavfi -i sine=f=440:d=2 -c:v libx264 -c:a aac",
    "sound.mp4",
  );
});

afterAll(() => {
  folder.remove();
});

/** Grey frames of 32x16 that are shown at these times. */
function* framesAt(times: readonly number[]): Generator<RgbFrame, void, undefined> {
  for (const [index, timestampSeconds] of times.entries())
    yield { data: new Uint8Array(32 * 16 * 3).fill(8 * index), height: 16, width: 32, timestampSeconds };
}

async function timesOf(path: string): Promise<number[]> {
  const times: number[] = [];
  for await (const { timestampSeconds } of readFrames(path)) times.push(timestampSeconds);
  return times.map((time) => time - times[0]!);
}

describe("frames at their own times", () => {
  const times = [3, 3.04, 3.5, 3.5301, 4.9699, 5];

  it.each([
    ["mp4", 0.0001],
    ["mkv", 0.001],
    ["webm", 0.001],
    ["gif", 0.011],
  ])("come back from %s at them", { timeout: 30_000 }, async (format, tolerance) => {
    const path = folder.at(`varying.${format}`);
    const written = await writeVideo(path, framesAt(times), { fps: 25, timing: "frames" });
    expect(written).toMatchObject({ frameCount: 6, warnings: [] });
    const found = await timesOf(path);
    expect(found).toHaveLength(6);
    times.forEach((time, i) => {
      expect(Math.abs(found[i]! - (time - 3))).toBeLessThanOrEqual(tolerance + 1e-9);
    });
  });

  it("keep every level of the pixels", { timeout: 30_000 }, async () => {
    const path = folder.at("levels.mkv");
    await writeVideo(path, framesAt(times), { fps: 25, timing: "frames" });
    const levels: number[] = [];
    for await (const { data } of readFrames(path)) levels.push(data[0]!);
    expect(levels).toEqual([0, 8, 16, 24, 32, 40]);
  });

  it("are refused when the times fall, and nothing is left", { timeout: 30_000 }, async () => {
    const path = folder.at("falling.mp4");
    const failure = await failureOf(writeVideo(path, framesAt([0, 2, 1]), { fps: 25, timing: "frames" }));
    expect(failure.message).toMatch(/whose timestampSeconds rise, got 2 for frame 1, followed by 1/);
    expect(existsSync(path)).toBe(false);
  });
});

describe("the shape of pixels", () => {
  // webm and mkv say how wide a frame is displayed, in whole pixels.
  it.each([
    ["mp4", 0.0005],
    ["webm", 0.02],
    ["mkv", 0.02],
  ])("is kept by %s", { timeout: 30_000 }, async (format, tolerance) => {
    const path = folder.at(`anamorphic.${format}`);
    await writeVideo(path, framesAt([0, 0.04]), { fps: 25, pixelAspect: 64 / 45 });
    expect(Math.abs((await probe(path)).pixelAspect - 64 / 45)).toBeLessThan(tolerance);
  });

  it("cannot be said by gif, and a warning tells so", { timeout: 30_000 }, async () => {
    const written = await writeVideo(folder.at("a.gif"), framesAt([0, 0.04]), { fps: 25, pixelAspect: 2 });
    expect(written.warnings).toEqual([expect.stringContaining("pixels are not square (2.000)")]);
  });

  it("is refused beyond what screens have", async () => {
    const failure = await failureOf(writeVideo(folder.at("b.mp4"), framesAt([0]), { fps: 25, pixelAspect: 0 }));
    expect(failure.message).toBe("Expected a pixelAspect from 0.1 to 10, got 0.");
  });
});

describe("sound from another video", () => {
  const seconds = Array.from({ length: 25 }, (_, i) => i / 25);

  it.each([
    ["mp4", "aac"],
    ["mkv", "aac"],
    ["webm", "opus"],
  ])("is written to %s as %s, as long as asked for", { timeout: 30_000 }, async (format, codec) => {
    const path = folder.at(`sounding.${format}`);
    const sound = { path: withSound, durationSeconds: 1 };
    expect(await writeVideo(path, framesAt(seconds), { fps: 25, sound })).toMatchObject({ frameCount: 25 });
    const info = await probe(path);
    expect(info.sound).toBe(codec);
    expect(await timesOf(path)).toHaveLength(25);
    if (info.durationSeconds !== undefined) expect(info.durationSeconds).toBeLessThan(1.1);
  });

  it("is taken from a place within it, and joins frames at their own times", { timeout: 30_000 }, async () => {
    const path = folder.at("later.mp4");
    const sound = { path: withSound, startSeconds: 1.2, durationSeconds: 0.5 };
    await writeVideo(path, framesAt([0, 0.3, 0.4]), { fps: 10, timing: "frames", sound });
    expect((await probe(path)).sound).toBe("aac");
    const times = await timesOf(path);
    [0, 0.3, 0.4].forEach((time, i) => {
      expect(times[i]).toBeCloseTo(time, 3);
    });
  });

  it("is refused from a video without and to a format without", { timeout: 30_000 }, async () => {
    const silent = folder.picture("silent.mp4", "-frames:v 5");
    const none = await failureOf(writeVideo(folder.at("c.mp4"), framesAt([0]), { fps: 25, sound: { path: silent } }));
    expect(none.message).toBe(`Expected a file with sound, but "${silent}" has none.`);
    const gif = await failureOf(writeVideo(folder.at("c.gif"), framesAt([0]), { fps: 25, sound: { path: withSound } }));
    expect(gif.message).toBe("Sound cannot be written to gif; choose mp4, webm or mkv.");
    expect(existsSync(folder.at("c.mp4"))).toBe(false);
  });
});

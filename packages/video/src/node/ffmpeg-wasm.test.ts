/** @module-tag ffmpeg */
import { mkdirSync, readdirSync } from "node:fs";
import type { RgbFrame } from "@coordtok/core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { describeFfmpeg, findFfmpeg } from "./find-ffmpeg.js";
import { probe } from "./probe.js";
import { readClip } from "./read-clip.js";
import { failureOf, firstPart, makeClipFolder, type ClipFolder } from "./testdata/make-clips.js";
import { writeVideo } from "./write-video.js";

let folder: ClipFolder;
let native = "";
let film = "";

beforeAll(async () => {
  folder = makeClipFolder();
  film = folder.picture("film.mp4", "-frames:v 40 -c:v libx264 -pix_fmt yuv420p");
  mkdirSync(folder.at("empty"));
  native = (await findFfmpeg()).path;
});
afterAll(() => folder.remove());

/** An environment whose only ffmpeg is that of the package. */
beforeEach(() => {
  for (const name of ["FFMPEG_PATH", "FFMPEG_BIN", "FFPROBE_PATH"]) vi.stubEnv(name, undefined);
  vi.stubEnv("PATH", folder.at("empty"));
  vi.stubEnv("COORDTOK_CACHE", folder.at("empty"));
});
afterEach(() => {
  vi.unstubAllEnvs();
});

function* frames(count: number, width = 32, height = 24): Generator<RgbFrame> {
  for (let t = 0; t < count; t++) {
    const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * (t + 1) + ((i * i) >> 7)) & 255);
    yield { width, height, data, timestampSeconds: t / 25 };
  }
}

const bytesOf = (made: Iterable<RgbFrame>): Uint8Array => Buffer.concat([...made].map(({ data }) => data));

// Each call starts 32 MB of WebAssembly in a separate process.
describe("ffmpeg of @ffmpeg/core", { timeout: 240_000 }, () => {
  it("is used if there is no other, with its ffprobe and its licence", async () => {
    const { chosen, candidates } = await describeFfmpeg();
    expect(chosen).toMatchObject({
      source: "@ffmpeg/core",
      path: process.execPath,
      version: "5.1.4",
      licence: "GPL-2.0-or-later",
      ffprobe: { source: "@ffmpeg/core" },
      knowsFpsMode: true,
    });
    expect(candidates.find(({ source }) => source === "@ffmpeg/core")?.path).toMatch(/@ffmpeg\/core/);
    expect((await findFfmpeg({ ffmpeg: native })).source).toBe("option");
  });

  it("reports the same facts about a file and decodes it to the same bytes as the native program", async () => {
    const options = { length: 10, start: 5, stride: 3, size: { width: 32, height: 32 } };
    const expected = await readClip(film, { ...options, ffmpeg: native });
    expect(await probe(film)).toEqual(expected.info);
    const read = await readClip(film, options);
    expect(read.timestampsSeconds).toEqual(expected.timestampsSeconds);
    expect(Buffer.compare(read.clip.data, expected.clip.data)).toBe(0);
  });

  it.each(["mkv", "png"] as const)("writes %s that comes back byte for byte", async (format) => {
    const path = folder.at(format === "png" ? "pictures" : `film.${format}`);
    const written = await writeVideo(path, frames(9), { fps: 25, format });
    expect(written).toMatchObject({ frameCount: 9, width: 32, height: 24 });
    if (format === "png") {
      expect(readdirSync(path)).toEqual(Array.from({ length: 9 }, (_, i) => `00000${i}.png`));
      const { data } = (await readClip(folder.at("pictures/000003.png"))).clip;
      expect(Buffer.compare(data, bytesOf(frames(4)).subarray(-data.length))).toBe(0);
    } else expect(Buffer.compare((await readClip(path)).clip.data, bytesOf(frames(9)))).toBe(0);
  });

  it.each([
    ["mp4", "libx264"],
    ["webm", "libvpx"],
    ["gif", "gif"],
  ] as const)("writes %s, which the program reads", async (format, encoder) => {
    const path = folder.at(`written.${format}`);
    expect(await writeVideo(path, frames(9), { fps: 25 })).toMatchObject({ encoder, frameCount: 9 });
    const { clip } = await readClip(path, { ffmpeg: native });
    expect([clip.frameCount, clip.width, clip.height]).toEqual([9, 32, 24]);
  });

  it("gives the same errors for files that are not videos as the native program", async () => {
    const text = folder.file("text.mp4", "only some words, no film");
    expect((await failureOf(probe(text))).message).toContain("is not a video file that ffmpeg knows");
    const cut = folder.file("cut.mp4", firstPart(film, 0.5));
    expect((await failureOf(readClip(cut))).message).toContain("is not a complete video file");
  });

  it("stopped by its signal leaves nothing behind", async () => {
    const stop = new AbortController();
    const path = folder.at("stopped.mp4");
    const writing = writeVideo(path, frames(1000), {
      fps: 25,
      signal: stop.signal,
      onProgress: ({ done }) => done === 20 && stop.abort(),
    });
    await expect(writing).rejects.toMatchObject({ code: "aborted" });
    expect(readdirSync(folder.path).filter((name) => name.includes("stopped"))).toEqual([]);
  });
});

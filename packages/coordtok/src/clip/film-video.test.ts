import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodePng, readClip, writeVideo } from "@coordtok/video/node";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { psnrOfRgb } from "@coordtok/metrics";
import { describeEachBackend } from "@coordtok/tools";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeFile } from "../inspect/describe-file.js";
import { decodeToVideo } from "./decode-to-video.js";
import { encodeVideo } from "./encode-video.js";
import { filmSource } from "./film-source.js";

const clip = syntheticClip({ frames: 21, height: 57, width: 41, seed: 3 });
let folder = "";
let video = "";
let sounding = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-film-"));
  video = join(folder, "film.mkv");
  await writeVideo(video, framesFromClip(clip, 20), { fps: 20 });
  sounding = join(folder, "sound.mp4");
  const args = "-v error -f lavfi -i color=s=16x16:r=10:d=3 -f lavfi -i sine=d=3 -c:v libx264 -c:a aac";
  execFileSync("ffmpeg", [...args.split(" "), sounding]);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describeEachBackend("a whole video through the starter", { timeout: 240_000 }, (backend) => {
  const at = (name: string): string => join(folder, `${backend}-${name}`);

  it("comes back in its own odd size, every frame of it, and the file says how", async () => {
    const out = at("film.triplane.safetensors");
    const report = await encodeVideo(video, { out, backend, windowFrames: 8, dtype: "F16" });
    expect(report).toMatchObject({
      windows: 5,
      form: "lattice",
      source: { frames: 21, width: 41, height: 57, fps: 20 },
    });
    expect(await describeFile(out)).toMatchObject({
      what: "triplane",
      dtype: "F16",
      tiles: 1,
      tokens: report.tokens,
      floats: report.floats,
      size: { height: 57, width: 41 },
      windows: [
        { first: 0, frames: 8, overlap: 0 },
        { first: 4, frames: 8, overlap: 4 },
        { first: 8, frames: 8, overlap: 4 },
        { first: 12, frames: 8, overlap: 4 },
        { first: 16, frames: 5, overlap: 4 },
      ],
      checkpoint: { path: "starter" },
    });
    const back = at("film.mkv");
    expect(await decodeToVideo(out, { out: back, backend })).toMatchObject({
      frames: 21,
      width: 41,
      height: 57,
      fps: 20,
    });
    const decoded = await readClip(back);
    expect(decoded.clip).toMatchObject({ frameCount: 21, width: 41, height: 57 });
    expect(psnrOfRgb(clip, decoded.clip).clipDb).toBeGreaterThan(20);

    const part = at("part.mkv");
    const rectangle = { top: 10, left: 3, height: 21, width: 30 };
    await decodeToVideo(out, { out: part, backend, frames: [20, 7], rectangle });
    const cut = await readClip(part);
    const bytes = 57 * 41 * 3;
    [20, 7].forEach((frame, i) => {
      for (let row = 0; row < 21; row++) {
        const from = frame * bytes + ((row + 10) * 41 + 3) * 3;
        const found = cut.clip.data.subarray((i * 21 + row) * 90, (i * 21 + row + 1) * 90);
        expect(found).toEqual(decoded.clip.data.subarray(from, from + 90));
      }
    });
    expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
    await expect(decodeToVideo(out, { out: at("beyond.mkv"), backend, frames: [20, 21] })).rejects.toThrow(
      "Expected frames from 0 to 20, which is all that was encoded, got 21",
    );
  });

  it("budgets make the file smaller, and a decoder makes it complete", async () => {
    const common = { backend, length: 4 } as const;
    const [all, few, own] = ["all", "few", "own"].map((name) => at(`${name}.triplane.safetensors`)) as [
      string,
      string,
      string,
    ];
    const { bytes } = await encodeVideo(video, { ...common, out: all });
    const small = await encodeVideo(video, { ...common, out: few, content: 8, motion: 4 });
    expect(small.bytes).toBeLessThan(bytes / 3);
    await encodeVideo(video, { ...common, out: own, content: 8, motion: 4, embedDecoder: true });
    const pixels = async (path: string): Promise<Uint8Array> => {
      const out = `${path}.mkv`;
      await decodeToVideo(path, { out, backend });
      return (await readClip(out)).clip.data;
    };
    expect(await pixels(own)).toEqual(await pixels(few));
  });

  it("comes back with its varying times, its sound and the shape of its pixels", async () => {
    const times = Array.from({ length: 9 }, (_, i) => (i < 5 ? i * 0.1 : 0.4 + (i - 4) * 0.25));
    const { data, ...size } = syntheticClip({ frames: 9, height: 32, width: 40, seed: 4 });
    const timed = times.map((timestampSeconds, i) => ({
      ...size,
      data: data.subarray(i * 3840, (i + 1) * 3840),
      timestampSeconds,
    }));
    const source = at("timed.mp4");
    const sound = { path: sounding, durationSeconds: 1.5 };
    await writeVideo(source, timed, { fps: 10, timing: "frames", pixelAspect: 16 / 15, sound });
    const out = at("timed.triplane.safetensors");
    const { source: facts } = await encodeVideo(source, { out, backend });
    expect(facts).toMatchObject({ frames: 9, sound: "aac", colour: { matrix: "bt709", range: "tv" } });
    expect(facts.pixelAspect).toBeCloseTo(16 / 15, 3);
    const back = at("timed-back.mp4");
    const notes: string[] = [];
    await decodeToVideo(out, { out: back, backend, audioFrom: source });
    const { info, timestampsSeconds } = await readClip(back);
    expect(info.pixelAspect).toBeCloseTo(16 / 15, 3);
    expect(info.sound).toBe("aac");
    times.forEach((time, i) => {
      expect(timestampsSeconds[i]! - timestampsSeconds[0]!).toBeCloseTo(time, 3);
    });
    const even = at("timed-even.mp4");
    await decodeToVideo(out, { out: even, backend, fps: 10, onNote: (note) => notes.push(note) });
    expect((await readClip(even)).clip.frameCount).toBe(15);
    expect(notes.join("\n")).toContain("is not in the film and left out");
    const apart = decodeToVideo(out, { out: at("apart.mp4"), backend, frames: [0, 5], audioFrom: source });
    await expect(apart).rejects.toThrow("Sound needs consecutive frames");
  });

  it("a picture is a film of one frame", async () => {
    const picture = join(folder, "picture.png");
    const frame = { width: clip.width, height: clip.height, data: clip.data.subarray(0, 57 * 41 * 3) };
    writeFileSync(picture, encodePng(frame));
    const out = at("picture.triplane.safetensors");
    expect((await encodeVideo(picture, { out, backend })).source.frames).toBe(1);
    const back = at("picture.mkv");
    expect((await decodeToVideo(out, { out: back, backend })).frames).toBe(1);
  });

  it("what cannot be is one sentence, and leaves nothing behind", async () => {
    const out = at("refused.triplane.safetensors");
    const refused = (options: object): Promise<unknown> => encodeVideo(video, { out, backend, ...options });
    await expect(refused({ content: 33 })).rejects.toThrow("from 0 to the 32 of the planes, got 33");
    await expect(refused({ size: 7 })).rejects.toThrow("from 8 to 4096 pixels, got 7");
    await expect(refused({ overlap: 9 })).rejects.toThrow("at most half a window, 8 frames, got 9");
    await expect(refused({ start: 30 })).rejects.toMatchObject({ code: "input" });
    const signal = AbortSignal.abort();
    await expect(refused({ signal })).rejects.toMatchObject({ code: "aborted" });
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
  });
});

it("times that a constant rate does not give are kept", () => {
  const info = {
    averageFps: 10,
    width: 4,
    height: 4,
    rotation: 90,
    pixelFormat: "yuv420p",
    colour: {},
    pixelAspect: 1,
    interlaced: false,
  };
  const source = (times: readonly number[]): ReturnType<typeof filmSource> =>
    filmSource(
      "a/b.mp4",
      { ...info, path: "", fps: 10, frameCount: 3, durationSeconds: 1, codec: "", warnings: [] },
      times,
      {},
    );
  expect(source([5, 5.1, 5.201])).not.toHaveProperty("timestampsSeconds");
  expect(source([5, 5.1, 5.5])).toMatchObject({ name: "b.mp4", rotation: 90, timestampsSeconds: [0, 5.1 - 5, 0.5] });
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { readClip, writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clipsOfVideo, type ClipChoice, type PlacedClip } from "./clips-of-video.js";

const model = { frames: 16, height: 32, width: 32 };
const plain: ClipChoice = { start: 0, stride: 1, hop: 16, stretches: Infinity, crops: 1, flip: false, short: "skip" };
let folder = "";
let wide = "";
let tall = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-clips-"));
  [wide, tall] = [join(folder, "wide.mkv"), join(folder, "tall.mp4")];
  await writeVideo(wide, framesFromClip(syntheticClip({ frames: 40, height: 48, width: 83 }), 25), { fps: 25 });
  await writeVideo(tall, framesFromClip(syntheticClip({ frames: 20, height: 64, width: 40 }), 25), { fps: 25 });
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function clipsOf(path: string, choice: Partial<ClipChoice>): Promise<PlacedClip[]> {
  const clips: PlacedClip[] = [];
  for await (const clip of clipsOfVideo(path, model, { ...plain, ...choice })) clips.push(clip);
  return clips;
}

const startsOf = (clips: readonly PlacedClip[]): number[] => clips.map(({ start }) => start);

describe("clipsOfVideo", () => {
  it("yields the same bytes as a single read of the same frames", { timeout: 60_000 }, async () => {
    for (const [path, start, stride] of [
      [wide, 0, 1],
      [wide, 3, 2],
      [tall, 1, 1],
    ] as const) {
      const [clip] = await clipsOf(path, { start, stride });
      const { clip: expected } = await readClip(path, { start, stride, length: 16, size: model });
      expect(clip!.read()).toEqual(expected);
    }
  });

  it(
    "moves along the video in hops of taken frames, overlapping or with gaps, and drops the remainder",
    { timeout: 60_000 },
    async () => {
      expect(startsOf(await clipsOf(wide, {}))).toEqual([0, 16]);
      expect(startsOf(await clipsOf(wide, { hop: 8 }))).toEqual([0, 8, 16, 24]);
      expect(startsOf(await clipsOf(wide, { hop: 20 }))).toEqual([0, 20]);
      expect(startsOf(await clipsOf(wide, { stride: 2, hop: 4, start: 1 }))).toEqual([1, 9]);
      expect(startsOf(await clipsOf(wide, { hop: 1, stretches: 3 }))).toEqual([0, 1, 2]);
      const [, second] = await clipsOf(wide, { hop: 20 });
      expect(second!.read()).toEqual((await readClip(wide, { start: 20, length: 16, size: model })).clip);
    },
  );

  it("spreads crops from end to end of the longer side, and yields coinciding ones once", async () => {
    const crops = await clipsOf(wide, { crops: 3, stretches: 1 });
    expect(crops.map(({ crop }) => crop)).toEqual([0, 1, 2]);
    const { clip: whole } = await readClip(wide, { length: 16, size: { height: 32, width: 55 } });
    const leftEdge = [...crops].map(({ read }) => [...read().data.subarray(0, 9)]);
    expect(leftEdge).toEqual([0, 12, 23].map((left) => [...whole.data.subarray(left * 3, left * 3 + 9)]));
    const [top, bottom] = await clipsOf(tall, { crops: 2 });
    expect(top!.read()).not.toEqual(bottom!.read());
    expect(await clipsOf(tall, { crops: 100, stretches: 1 })).toHaveLength(20);
  });

  it("mirrors each clip from left to right", async () => {
    const [plainClip, mirrored] = await clipsOf(wide, { flip: true, stretches: 1 });
    expect([plainClip!.flipped, mirrored!.flipped]).toEqual([false, true]);
    const [a, b] = [plainClip!.read().data, mirrored!.read().data];
    for (const [frame, row, column] of [
      [0, 0, 0],
      [7, 12, 5],
      [15, 31, 31],
    ] as const) {
      const at = (frame * 32 + row) * 32;
      expect([...b.subarray((at + column) * 3, (at + column + 1) * 3)]).toEqual([
        ...a.subarray((at + 31 - column) * 3, (at + 32 - column) * 3),
      ]);
    }
  });

  it("refuses a video that is too short, or pads it on request", async () => {
    await expect(clipsOf(tall, { stride: 2 })).rejects.toThrow("has 10 frames to take, fewer than the model's 16");
    const [clip, ...others] = await clipsOf(tall, { stride: 2, short: "pad" });
    expect([clip!.frames, clip!.read().frameCount, others.length]).toEqual([10, 10, 0]);
  });
});

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import "@tensorflow/tfjs-backend-cpu";
import { memory, setBackend, tensor5d } from "@tensorflow/tfjs-core";
import type { RgbFrame } from "@coordtok/core";
import { beforeAll, describe, expect, it } from "vitest";
import { clipFromFrames, framesFromClip, rgbClipFromFrames } from "./clip.js";

beforeAll(async () => {
  await setBackend("cpu");
});

function* counting(count: number, width = 4, height = 3): Generator<RgbFrame> {
  for (let time = 0; time < count; time++)
    yield {
      width,
      height,
      data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7 + time * 31) % 256),
      timestampSeconds: time / 25,
    };
}

async function collect(frames: AsyncIterable<RgbFrame>): Promise<RgbFrame[]> {
  const all: RgbFrame[] = [];
  for await (const frame of frames) all.push(frame);
  return all;
}

describe("clipFromFrames and framesFromClip", () => {
  it("restore every byte, as a tensor and as bytes, and leave no tensor behind", async () => {
    const before = memory().numTensors;
    const frames = [...counting(22)];
    const clip = await clipFromFrames(frames);
    expect(clip.frames.shape).toEqual([1, 22, 3, 4, 3]);
    expect(clip.validFrames).toEqual([22]);
    expect(memory().numTensors).toBe(before + 1);
    expect(await collect(framesFromClip(clip, 25))).toEqual(frames);
    expect(await collect(framesFromClip(await rgbClipFromFrames(frames), 25))).toEqual(frames);
    for await (const frame of framesFromClip(clip, 25)) if (frame.timestampSeconds > 0.1) break;
    expect(memory().numTensors).toBe(before + 1);
    clip.frames.dispose();
    expect(memory().numTensors).toBe(before);
  });

  it("pad a short clip with its last frame and count the real frames", async () => {
    const clip = await clipFromFrames(counting(2), { length: 5 });
    expect(clip.validFrames).toEqual([2]);
    const values = await clip.frames.data();
    for (const time of [2, 3, 4]) expect(values.slice(time * 36, (time + 1) * 36)).toEqual(values.slice(36, 72));
    expect(await collect(framesFromClip(clip, 25))).toEqual([...counting(2)]);
    clip.frames.dispose();
  });

  it("stop reading once the clip is long enough", async () => {
    let made = 0;
    const endless = (function* (): Generator<RgbFrame> {
      for (const frame of counting(1000)) {
        made++;
        yield frame;
      }
    })();
    expect((await rgbClipFromFrames(endless, { length: 3 })).frameCount).toBe(3);
    expect(made).toBe(3);
  });

  it("keep a frame object that is passed twice", async () => {
    const [frame] = [...counting(1)];
    expect((await rgbClipFromFrames([frame!, frame!])).frameCount).toBe(2);
  });

  it("read one clip of a batch", async () => {
    const clip = { frames: tensor5d([-1, 0, 1, 1, -1, 0], [2, 1, 1, 1, 3]), validFrames: [1, 1] };
    expect((await collect(framesFromClip(clip, 10, 1)))[0]?.data).toEqual(Uint8Array.of(255, 0, 128));
    await expect(collect(framesFromClip(clip, 10, 2))).rejects.toThrow("clip index of 0 to 1, got 2");
    clip.frames.dispose();
  });

  it("refuse no frames, frames of different sizes, wrong byte counts and impossible rates", async () => {
    await expect(clipFromFrames([])).rejects.toThrow("at least one frame");
    await expect(clipFromFrames([...counting(1), ...counting(1, 5, 3)])).rejects.toThrow("4x3 and, as frame 1, 5x3");
    await expect(clipFromFrames([{ ...[...counting(1)][0]!, width: 5 }])).rejects.toThrow("Expected 45 bytes");
    await expect(clipFromFrames(counting(1), { length: 0 })).rejects.toThrow("length");
    const clip = await rgbClipFromFrames(counting(1));
    expect(() => framesFromClip(clip, 0)).toThrow("fps");
    expect(() => framesFromClip(clip, Number.NaN)).toThrow("fps");
  });

  it("resize frames of any size to the requested size", async () => {
    const clip = await rgbClipFromFrames([...counting(1, 20, 30), ...counting(1, 40, 10)], {
      size: { width: 8, height: 6 },
    });
    expect(clip).toMatchObject({ frameCount: 2, width: 8, height: 6 });
  });
});

const samplingCases = ["sampling", "sampling-resize", "sampling-short-clip"];
const fixtureFolders = ["../../../fixtures/tokenizer/", "../../../../shared/fixtures/tokenizer/"].map((folder) =>
  fileURLToPath(new URL(folder, import.meta.url)),
);
const fixtures = fixtureFolders.find((folder) => samplingCases.every((name) => existsSync(folder + name)));
if (fixtures === undefined)
  process.stdout.write(`skipped: the sampling fixtures are in none of ${fixtureFolders.join(", ")}\n`);

describe.skipIf(fixtures === undefined)("the training sample of the official data set", () => {
  it.each(samplingCases)("has the same pixels in the same range: tokenizer/%s", async (name) => {
    const folder = `${fixtures}${name}/`;
    const { config, runs } = JSON.parse(readFileSync(`${folder}case.json`, "utf8")) as {
      config: { num_frames: number; img_size: number };
      runs: { args: { begin_idx: number } }[];
    };
    const { num_frames: length, img_size: side } = config;
    const input = readTensor(`${folder}inputs.safetensors`, "frames_u8");
    const expected = readTensor(`${folder}outputs.safetensors`, "points.video");
    const valid = readTensor(`${folder}outputs.safetensors`, "points.n_frames");
    const [count, height, width] = input.shape as [number, number, number];
    const frames = Array.from({ length: count }, (_, time) => ({
      width,
      height,
      data: input.bytes.subarray(time * height * width * 3, (time + 1) * height * width * 3),
      timestampSeconds: time,
    })).slice(runs[0]!.args.begin_idx);
    const clip = await clipFromFrames(frames, { length, size: { width: side, height: side } });
    const real = clip.validFrames[0]!;
    expect(clip.frames.shape).toEqual([1, length, side, side, 3]);
    expect(real).toBe(new DataView(valid.bytes.buffer, valid.bytes.byteOffset).getInt32(0, true));
    const values = (await clip.frames.data()).subarray(0, real * side * side * 3);
    const official = new Float32Array(expected.bytes.slice().buffer).subarray(0, values.length);
    expect(values).toEqual(official);
    clip.frames.dispose();
  });
});

function readTensor(path: string, name: string): { shape: number[]; bytes: Uint8Array } {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, start)) as Record<
    string,
    { shape: number[]; data_offsets: [number, number] }
  >;
  const { shape, data_offsets: offsets } = header[name]!;
  return { shape, bytes: new Uint8Array(file.subarray(start + offsets[0], start + offsets[1])) };
}

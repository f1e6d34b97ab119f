/** @module-tag ffmpeg */
import type { RgbFrame } from "@coordtok/core";
import { readdirSync, statSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readFrames } from "./read-frames.js";
import { makeClipFolder, type ClipFolder } from "./testdata/make-clips.js";
import { writeH264Within } from "./write-within.js";

let folder: ClipFolder;
beforeAll(() => {
  folder = makeClipFolder();
});
afterAll(() => folder.remove());

/** A moving texture of odd sides. */
function frames(count: number, width = 63, height = 47): RgbFrame[] {
  return Array.from({ length: count }, (_, t) => ({
    width,
    height,
    timestampSeconds: t / 25,
    data: Uint8Array.from({ length: width * height * 3 }, (_, i) => {
      const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
      return 128 + 100 * Math.sin(x / 4 + t / 3) * Math.cos(y / 5 + (i % 3));
    }),
  }));
}

async function meanError(path: string, original: readonly RgbFrame[]): Promise<number> {
  let [sum, count, at] = [0, 0, 0];
  for await (const { width, data } of readFrames(path)) {
    const wanted = original[at++]!;
    for (let i = 0; i < wanted.data.length; i++) {
      const [row, rest] = [Math.floor(i / (wanted.width * 3)), i % (wanted.width * 3)];
      sum += Math.abs(data[row * width * 3 + rest]! - wanted.data[i]!);
      count++;
    }
  }
  expect(at).toBe(original.length);
  return sum / count;
}

it(
  "comes close to the limit without exceeding it, keeps all frames, and is closer to the original with more bytes",
  { timeout: 120_000 },
  async () => {
    const original = frames(24);
    const errors: number[] = [];
    for (const bytes of [1500, 6000]) {
      const path = folder.at(`clip-${bytes}.h264`);
      const written = await writeH264Within(path, original, { bytes, fps: 25 });
      expect(written.bytes).toBe(statSync(path).size);
      expect(written.bytes).toBeLessThanOrEqual(bytes);
      expect(written.bytes).toBeGreaterThan(0.8 * bytes);
      errors.push(await meanError(path, original));
    }
    expect(errors[1]).toBeLessThan(errors[0]!);
    expect(readdirSync(folder.path).sort()).toEqual(["clip-1500.h264", "clip-6000.h264"]);
  },
);

it(
  "returns the smallest size if the limit is too low, and refuses to replace a file",
  { timeout: 30_000 },
  async () => {
    const path = folder.at("least.h264");
    const written = await writeH264Within(path, frames(8), { bytes: 10, fps: 25 });
    expect(written).toMatchObject({ crf: 51, bytes: statSync(path).size });
    await expect(writeH264Within(path, frames(8), { bytes: 10, fps: 25 })).rejects.toThrow("exists");
  },
);

/** @module-tag ffmpeg */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RgbClip } from "@coordtok/core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { availableCodecs, clipCodecs, codeClip, type CodecResult, type CodecSetting } from "./code-clip.js";

/** A moving texture of odd sides. */
const size = { frameCount: 8, height: 47, width: 63 };
const clip: RgbClip = {
  ...size,
  data: Uint8Array.from({ length: 8 * 47 * 63 * 3 }, (_, i) => {
    const [x, y, t] = [Math.floor(i / 3) % 63, Math.floor(i / 189) % 47, Math.floor(i / 189 / 47)];
    return 128 + 100 * Math.sin(x / 4 + t / 3) * Math.cos(y / 5 + (i % 3));
  }),
};

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "code-clip-test-"));
  vi.stubEnv("TMPDIR", folder);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

async function coded(settings: readonly CodecSetting[], options = {}): Promise<CodecResult[]> {
  const results: CodecResult[] = [];
  for await (const result of codeClip(clip, { settings, fps: 25, ...options })) results.push(result);
  return results;
}

const meanError = ({ decoded }: CodecResult): number =>
  decoded.data.reduce((sum, value, i) => sum + Math.abs(value - clip.data[i]!), 0) / clip.data.length;

describe("clips through codecs", { timeout: 120_000 }, () => {
  for (const codec of clipCodecs)
    it(`of ${codec} come back in their own size, closer with more bytes, and closed groups take more bytes`, async (context) => {
      if (!(await availableCodecs()).includes(codec)) context.skip(`this ffmpeg has no encoder for ${codec}`);
      const [good, bad, groups] = await coded([
        { codec, quality: 20, keyFrames: "own" },
        { codec, quality: 45, keyFrames: "own" },
        { codec, quality: 20, keyFrames: 2 },
      ]);
      for (const { decoded } of [good!, bad!, groups!]) expect(decoded).toMatchObject(size);
      expect(good!.bytes).toBeGreaterThan(bad!.bytes);
      expect(groups!.bytes).toBeGreaterThan(good!.bytes);
      expect(meanError(good!)).toBeLessThan(meanError(bad!));
      expect(meanError(good!)).toBeLessThan(12);
      expect(readdirSync(folder)).toEqual([]);
    });

  it("are refused with settings out of range, and stop when asked to", async () => {
    await expect(coded([{ codec: "x264", quality: 52, keyFrames: 4 }])).rejects.toThrow("quality");
    await expect(coded([{ codec: "x264", quality: 30, keyFrames: 0 }])).rejects.toThrow("keyFrames");
    await expect(coded([], { fps: 0 })).rejects.toThrow("fps");
    await expect(
      coded([{ codec: "x264", quality: 30, keyFrames: "own" }], { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: "aborted" });
  });
});

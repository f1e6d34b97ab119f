/** @module-tag ffmpeg */
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { ClipDct, dctOrder, pooledClip, psnrOfRgb } from "@coordtok/metrics";
import { findVideos, readClip } from "@coordtok/video/node";
import { expect, it } from "vitest";
import { usualEnergies } from "./usual-energies.js";

const shared = join(import.meta.dirname, "../../../../../shared");
const list = join(shared, "starter", "TRAINED_ON.json");

/** 8 and 32 channels of planes of 16 frames of 128 x 128. */
const budgets = [3072, 12_288] as const;

it(
  "the yardsticks give the figures of the starter's table: 24.3 and 27.2 dB by the cosine transform, less by pooling",
  { timeout: 300_000 },
  async (context) => {
    if (!existsSync(list)) context.skip("../shared/starter is not here");
    const { files } = JSON.parse(readFileSync(list, "utf8")) as {
      readonly files: readonly { readonly file: string }[];
    };
    const seen = new Set(files.map(({ file }) => file));
    const clips = (await findVideos([join(shared, "data", "clips")])).filter((path) => {
      const name = relative(join(shared, "data"), path).replaceAll("\\", "/");
      return !seen.has(name) && !/sihyun-yu\+|huiwon-jang\+/.test(name);
    });
    expect(clips).toHaveLength(42);
    const [dct, pooled] = [
      [0, 0],
      [0, 0],
    ];
    let order: Uint32Array | undefined;
    for (const path of clips) {
      const { clip } = await readClip(path, { length: 16, size: { height: 128, width: 128 } });
      const { coefficients } = new ClipDct(clip);
      order ??= dctOrder(usualEnergies(clip));
      const energy = (from: number): number =>
        order!.subarray(from).reduce((sum, place) => sum + coefficients[place]! ** 2, 0);
      budgets.forEach((numbers, i) => {
        // What is left out is the error, but for cuts and rounding to bytes.
        dct[i]! += (10 * Math.log10((255 ** 2 * coefficients.length) / energy(numbers))) / clips.length;
        pooled[i]! += psnrOfRgb(clip, pooledClip(clip, numbers)).clipDb / clips.length;
      });
    }
    expect(Math.abs(dct[0]! - 24.3)).toBeLessThan(0.15);
    expect(Math.abs(dct[1]! - 27.2)).toBeLessThan(0.15);
    expect(pooled[0]).toBeLessThan(dct[0]! - 1);
    expect(pooled[1]).toBeLessThan(dct[1]! - 1);
  },
);

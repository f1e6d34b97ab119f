/** @module-tag ffmpeg */
import type { RgbFrame } from "@coordtok/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { VideoPixels } from "../types.js";
import { probe } from "./probe.js";
import { readFrames } from "./read-frames.js";
import { makeClipFolder, type ClipFolder } from "./testdata/make-clips.js";

let folder: ClipFolder;

beforeAll(() => {
  folder = makeClipFolder();
});

afterAll(() => {
  folder.remove();
});

async function framesOf(path: string, pixels?: VideoPixels): Promise<RgbFrame[]> {
  const frames: RgbFrame[] = [];
  for await (const frame of readFrames(path, {}, { pixels })) frames.push(frame);
  return frames;
}

const colourOf = (frame: RgbFrame): number[] => [...frame.data.subarray(0, 3)];

describe("the colours of a video", () => {
  const red = [200, 60, 40];

  it.each([
    ["bt709", "tv", "yuv420p"],
    ["smpte170m", "tv", "yuv420p"],
    ["bt709", "pc", "yuv420p"],
    ["smpte170m", "pc", "yuv444p"],
    ["bt709", "tv", "yuv420p10le"],
  ])("are read by its matrix %s, range %s and format %s", { timeout: 30_000 }, async (matrix, range, format) => {
    const filter = `format=gbrp,scale=out_color_matrix=${matrix}:out_range=${range},format=${format}`;
    const path = folder.make(
      `-f lavfi -i color=0xC83C28:s=32x16:r=5:d=0.4 -vf ${filter} -c:v libx264 -qp 0 -colorspace ${matrix} -color_range ${range}`,
      `${matrix}-${range}-${format}.mkv`,
    );
    const info = await probe(path);
    expect(info.colour).toMatchObject({ matrix, range });
    expect(info.pixelFormat).toMatch(/^yuvj?4/);
    const [frame] = await framesOf(path);
    colourOf(frame!).forEach((value, channel) => {
      expect(Math.abs(value - red[channel]!)).toBeLessThanOrEqual(3);
    });
  });

  it(
    "of high dynamic range are read as stored, or mapped to the standard range, and a warning says which",
    { timeout: 30_000 },
    async () => {
      // PQ codes of 1, 10, 100 and 1000 cd/m2 in ten bits of limited range.
      const codes = [0.1499, 0.3023, 0.5081, 0.7518].map((code) => Math.round(64 + 876 * code));
      const levels: number[] = [];
      for (const code of codes) {
        const path = folder.make(
          `-f lavfi -i color=black:s=32x16:r=5:d=0.6 -vf format=yuv420p10le,geq=lum=${code}:cb=512:cr=512 -c:v ffv1 -colorspace bt2020nc -color_primaries bt2020 -color_trc smpte2084 -color_range tv`,
          `pq-${code}.mkv`,
        );
        const [displayed] = await framesOf(path, "displayed");
        levels.push(colourOf(displayed!)[1]!);
        const { warnings, colour } = await probe(path, { pixels: "displayed" });
        expect(colour.transfer).toBe("smpte2084");
        expect(warnings).toEqual(["it is a high dynamic range video; its colours are mapped to the standard range"]);
        expect((await probe(path)).warnings[0]).toContain("look pale");
        const [stored] = await framesOf(path);
        expect(Math.abs(colourOf(stored!)[1]! - ((code - 64) / 876) * 255)).toBeLessThanOrEqual(2);
      }
      // The darks keep their place below the white of 100 cd/m2, and what is brighter still differs.
      [26, 66, 157, 255].forEach((level, i) => {
        expect(Math.abs(levels[i]! - level)).toBeLessThanOrEqual(6);
      });
    },
  );
});

describe("an interlaced video", () => {
  /** How much neighbouring rows differ: combs add to it. */
  const roughness = ({ data, width, height }: RgbFrame): number => {
    let sum = 0;
    for (let row = 2; row < height - 2; row++)
      for (let column = 0; column < width; column++) {
        const at = (row * width + column) * 3;
        sum += Math.abs(2 * data[at]! - data[at - width * 3]! - data[at + width * 3]!);
      }
    return sum / (width * height);
  };

  it("has combs as stored and none as displayed, frame by frame", { timeout: 30_000 }, async () => {
    const bar = "color=black:s=64x48:r=50:d=0.4,geq=r='255*lt(mod(X-6*N+640,64),16)':g=0:b=0";
    const path = folder.make(
      `-f lavfi -i ${bar},interlace=scan=tff:lowpass=off,format=yuv444p -c:v libx264 -qp 0 -flags +ilme+ildct -top 1`,
      "interlaced.mkv",
    );
    expect(await probe(path)).toMatchObject({ interlaced: true });
    expect((await probe(path)).warnings).toEqual([expect.stringContaining("combs")]);
    expect((await probe(path, { pixels: "displayed" })).warnings).toEqual([]);
    const [stored, displayed] = [await framesOf(path), await framesOf(path, "displayed")];
    expect(displayed.map(({ timestampSeconds }) => timestampSeconds)).toEqual(
      stored.map(({ timestampSeconds }) => timestampSeconds),
    );
    const [rough, smooth] = [stored, displayed].map((frames) => Math.max(...frames.slice(1, -1).map(roughness)));
    expect(smooth! * 3).toBeLessThan(rough!);
  });
});

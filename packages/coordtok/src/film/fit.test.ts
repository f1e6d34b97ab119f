import type { RgbFrame } from "@coordtok/core";
import { preset, type LatticeConfig } from "@coordtok/tokenizer";
import { fitFrame } from "@coordtok/video";
import { describe, expect, it } from "vitest";
import { fitting, type FramePixels } from "./fit.js";

const lattice: LatticeConfig = {
  form: "lattice",
  width: 32,
  heads: 2,
  videoLayers: 1,
  latentLayers: 1,
  decoderLayers: 1,
  channels: 4,
};
/** Takes frames of 32 x 32. */
const paper = preset("test");

function frameOf({ height, width }: FramePixels): RgbFrame {
  const data = Uint8Array.from({ length: height * width * 3 }, (_, i) => (i * 7) % 251);
  return { height, width, data, timestampSeconds: 2 };
}

describe("frames for a tokenizer", () => {
  it.each([
    ["a film of 16:9", { height: 1080, width: 1920 }, undefined, { height: 128, width: 227 }],
    ["one held upright", { height: 1920, width: 1080 }, undefined, { height: 227, width: 128 }],
    ["a small odd one", { height: 57, width: 41 }, undefined, { height: 57, width: 41 }],
    ["a picture of one pixel", { height: 1, width: 1 }, undefined, { height: 1, width: 1 }],
    ["a short side of 256", { height: 480, width: 640 }, 256, { height: 256, width: 341 }],
  ])("keep their shape unless told otherwise: %s", (_, source, size, expected) => {
    const fitted = fitting(lattice, source, { size, windowFrames: 16 });
    expect(fitted).toMatchObject({ ...expected, picture: { top: 0, left: 0, ...expected } });
    expect(fitted.fit(frameOf(source))).toMatchObject({ ...expected, timestampSeconds: 2 });
  });

  it("go as they are where nothing changes", () => {
    const frame = frameOf({ height: 57, width: 41 });
    expect(fitting(lattice, frame, { windowFrames: 16 }).fit(frame).data).toBe(frame.data);
  });

  it("cropped are what the papers take", () => {
    const source = frameOf({ height: 48, width: 80 });
    const size = { height: 32, width: 32 };
    const wanted = fitFrame(source, size).data;
    expect(fitting(lattice, source, { fit: "crop", size, windowFrames: 16 }).fit(source).data).toEqual(wanted);
    expect(fitting(paper, source, { fit: "crop", windowFrames: 16 }).fit(source).data).toEqual(wanted);
  });

  it("padded are whole, and what fills up repeats the last column and row", () => {
    const source = frameOf({ height: 20, width: 40 });
    const fitted = fitting(paper, source, { fit: "pad", windowFrames: 16 });
    expect(fitted).toMatchObject({ height: 32, width: 32, picture: { top: 0, left: 0, height: 16, width: 32 } });
    const { data } = fitted.fit(source);
    for (const row of [16, 31]) expect(data.subarray(row * 96, row * 96 + 96)).toEqual(data.subarray(15 * 96, 16 * 96));
    const upright = fitting(paper, { height: 40, width: 20 }, { fit: "pad", windowFrames: 16 });
    const columns = upright.fit(frameOf({ height: 40, width: 20 })).data;
    for (let row = 0; row < 32; row++)
      expect(columns.subarray(row * 96 + 93, row * 96 + 96)).toEqual(columns.subarray(row * 96 + 45, row * 96 + 48));
  });

  it("stretched fill the size in both directions", () => {
    const source = frameOf({ height: 20, width: 80 });
    const fitted = fitting(lattice, source, { fit: "stretch", size: { height: 64, width: 48 }, windowFrames: 16 });
    expect(fitted.fit(source)).toMatchObject({ height: 64, width: 48 });
  });

  it.each([
    ["lattice form", lattice, { height: 1080, width: 1920 }, 720, 16],
    ["lattice form, long windows", lattice, { height: 1080, width: 1920 }, 240, 64],
    ["lattice form, a strip", lattice, { height: 40, width: 3000 }, 40, 64],
    ["paper's form", paper, { height: 48, width: 80 }, undefined, 16],
  ])("larger than a tile are covered by tiles that overlap: %s", (_, config, source, size, windowFrames) => {
    const { tiles, height, width } = fitting(config, source, { size, windowFrames });
    expect(tiles.length).toBeGreaterThan(1);
    const covered = new Uint8Array(height * width);
    for (const tile of tiles) {
      const tokens = Math.ceil(windowFrames / 4) * Math.ceil(tile.height / 8) * Math.ceil(tile.width / 8);
      if (config.form === "lattice") expect(tokens).toBeLessThanOrEqual(4096);
      else expect([tile.height, tile.width]).toEqual([32, 32]);
      for (let row = tile.top; row < tile.top + tile.height; row++)
        covered.fill(1, row * width + tile.left, row * width + tile.left + tile.width);
    }
    expect(covered.every((value) => value === 1)).toBe(true);
    const lefts = [...new Set(tiles.map(({ left }) => left))].sort((a, b) => a - b);
    const shared = lefts.slice(1).map((left, i) => lefts[i]! + tiles[0]!.width - left);
    for (const columns of shared) expect(columns).toBeGreaterThanOrEqual(Math.min(16, tiles[0]!.width / 3));
  });
});

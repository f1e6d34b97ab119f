import { syntheticClip } from "@coordtok/video";
import { loadBackend } from "@coordtok/backend";
import { Random } from "@coordtok/core";
import { disposeTriplane } from "@coordtok/triplane";
import { memory, type Rank } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { curvePicture, curveSvg } from "./curve.js";
import { textStrokes, textWidth } from "./letters.js";
import { planesPicture } from "./planes.js";
import { renderSvg } from "./svg.js";
import { sideBySide, svgElement } from "./side-by-side.js";

beforeAll(async () => {
  await loadBackend("cpu");
});

const points = Array.from({ length: 1000 }, (_, i) => ({
  step: i + 1,
  loss: 1 / (i + 1),
  psnrDb: 10 + Math.log(i + 1),
  validationPsnrDb: i % 100 === 99 ? 9 + Math.log(i + 1) : undefined,
}));

it("pictures without the renderer of this platform are an error that says so", () => {
  const missing = (): never => {
    throw new Error("Cannot find module '@resvg/resvg-js-linux-x64-gnu'\nRequire stack:");
  };
  expect(() => renderSvg(curveSvg(points), missing)).toThrow(
    /^Pictures cannot be drawn, since the part of @resvg\/resvg-js for .* does not load \(Cannot find module '@resvg\/resvg-js-linux-x64-gnu'\); install/,
  );
});

describe("the training curve", () => {
  it("is an SVG with both axes named and their numbers as text", () => {
    const svg = curveSvg(points);
    for (const part of ["loss (log)", "PSNR (dB)", "step", "held out", ">1,000<"]) expect(svg).toContain(part);
    expect(svg.startsWith("<svg")).toBe(true);
  });

  it("has labels in the picture even when no font is installed", () => {
    const { width, height, data } = curvePicture(points);
    expect([width, height]).toEqual([760, 520]);
    const darkIn = (left: number, top: number, right: number, bottom: number): number => {
      let dark = 0;
      for (let y = top; y < bottom; y++)
        for (let x = left; x < right; x++) if (data[(y * width + x) * 3]! < 120) dark++;
      return dark;
    };
    expect(darkIn(10, 0, 80, 16)).toBeGreaterThan(40);
    expect(darkIn(0, 260, 80, 276)).toBeGreaterThan(40);
    expect(darkIn(700, 235, 760, 260)).toBeGreaterThan(20);
  });

  it("is drawn for a single step and without PSNR", () => {
    expect(curveSvg([{ step: 1, loss: 0.5 }])).toContain("loss (log)");
  });
});

describe("side by side", () => {
  it("shows three enlarged frames under their labels; an equal reconstruction has a black error", () => {
    const clip = syntheticClip({ frames: 2, height: 64, width: 96 });
    const frames = [...sideBySide(clip, clip, 25)];
    expect(frames).toHaveLength(2);
    const { width, height, data } = frames[1]!;
    expect([width, height]).toEqual([3 * 384 + 4 * 8, 256 + 28 + 8]);
    const at = (x: number, y: number): number[] => [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
    const pixel = [...clip.data.subarray((64 * 96 + 10 * 96 + 20) * 3, (64 * 96 + 10 * 96 + 20) * 3 + 3)];
    expect(at(8 + 20 * 4 + 1, 28 + 10 * 4 + 2)).toEqual(pixel);
    expect(at(2 * 392 + 8 + 50, 100)).toEqual([0, 0, 0]);
    expect(at(2, 100)).toEqual([255, 255, 255]);
  });

  it("has even sides for odd clips, as video formats require", () => {
    const [frame] = sideBySide(
      syntheticClip({ frames: 1, height: 301, width: 33 }),
      syntheticClip({ frames: 1, height: 301, width: 33 }),
      25,
    );
    expect([frame!.width % 2, frame!.height % 2]).toEqual([0, 0]);
  });
});

describe("the picture of the planes", () => {
  it("shows three planes in proportion and leaves no tensor", async () => {
    const random = new Random(1);
    const before = memory().numTensors;
    const triplane = {
      xy: random.normalTensor<Rank.R4>([1, 4, 8, 4]),
      yt: random.normalTensor<Rank.R4>([1, 16, 8, 4]),
      xt: random.normalTensor<Rank.R4>([1, 16, 4, 4]),
    };
    const picture = await planesPicture(triplane);
    expect(picture.height).toBe(256 + 2 * 44);
    expect(picture.width).toBe(Math.ceil(256 + 128 + 64 + 4 * 44));
    disposeTriplane(triplane);
    expect(memory().numTensors).toBe(before);
  });
});

describe("letters and pixels", () => {
  it("every printable letter of English has its own strokes", () => {
    const box = textStrokes("\u2603", 0, 0, { size: 10 });
    for (const letter of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:-+=/%()|")
      expect(textStrokes(letter, 0, 0, { size: 10 })).not.toBe(box);
    expect(textWidth("iii", 10)).toBeLessThan(textWidth("mmm", 10));
  });

  it("an empty drawing is white", () => {
    expect(renderSvg(svgElement(3, 2, "")).data.every((value) => value === 255)).toBe(true);
  });
});

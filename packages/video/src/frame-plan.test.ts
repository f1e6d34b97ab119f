import { isCoordTokError } from "@coordtok/core";
import { describe, expect, it } from "vitest";
import { planFrames } from "./frame-plan.js";

const info = (frameCount: number | undefined): { path: string; frameCount: number | undefined } => ({
  path: "clip.avi",
  frameCount,
});

describe("planFrames", () => {
  it("takes the first frames by default", () => {
    expect(planFrames(info(141), { length: 4 })).toEqual({ indices: [0, 1, 2, 3], padding: 0 });
  });

  it("starts and strides", () => {
    expect(planFrames(info(141), { length: 3, start: 5, stride: 4 })).toEqual({ indices: [5, 9, 13], padding: 0 });
  });

  it("counts what is missing at the end as padding", () => {
    expect(planFrames(info(7), { length: 6, start: 1, stride: 2 })).toEqual({ indices: [1, 3, 5], padding: 3 });
    expect(planFrames(info(8), { length: 6, start: 1, stride: 2 })).toEqual({ indices: [1, 3, 5, 7], padding: 2 });
  });

  it("assumes that all frames exist if the file states no count", () => {
    expect(planFrames(info(undefined), { length: 2, start: 50 })).toEqual({ indices: [50, 51], padding: 0 });
  });

  it("is never larger than requested, whatever the header claims", () => {
    expect(planFrames(info(2 ** 31 - 1), { length: 2, stride: 1000 }).indices).toEqual([0, 1000]);
  });

  it("refuses a start beyond the last frame and numbers out of range", () => {
    const codeOf = (run: () => unknown): string | undefined => {
      try {
        run();
        return undefined;
      } catch (thrown) {
        return isCoordTokError(thrown) ? thrown.code : String(thrown);
      }
    };
    expect(codeOf(() => planFrames(info(10), { length: 2, start: 10 }))).toBe("input");
    expect(() => planFrames(info(10), { length: 2, start: 10 })).toThrow('below the 10 frames of "clip.avi", got 10');
    expect(codeOf(() => planFrames(info(10), { length: 0 }))).toBe("config");
    expect(codeOf(() => planFrames(info(10), { length: 2, stride: 0 }))).toBe("config");
    expect(codeOf(() => planFrames(info(10), { length: 2, start: -1 }))).toBe("config");
  });
});

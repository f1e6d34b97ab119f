import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { tensor5d } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { byteFromModelRange, bytesFromModelRange, modelRangeOfBytes, rgbFromClip } from "./clip.js";

describe("bytesFromModelRange", () => {
  it("agrees with byteFromModelRange for each value, even beyond the range", () => {
    const values = Float32Array.of(...modelRangeOfBytes, -1, 1, -1.001, 1.5, -3e38, 3e38, 0, -0, 1e-20);
    expect([...bytesFromModelRange(values)]).toEqual([...values].map(byteFromModelRange));
    expect([...bytesFromModelRange(modelRangeOfBytes)]).toEqual(Array.from({ length: 256 }, (_, byte) => byte));
  });

  it.each([NaN, Infinity, -Infinity])("refuses %d", (value) => {
    for (const at of [0, 4, 8]) {
      const values = new Float32Array(9);
      values[at] = value;
      expect(() => bytesFromModelRange(values)).toThrow("The decoded frames are not finite");
    }
  });
});

describeEachBackend("rgbFromClip", () => {
  it("refuses frames that are not finite and frees what it took, but not for padding and other clips", async () => {
    const values = new Float32Array(2 * 3 * 12);
    values[1 * 12 + 5] = NaN;
    const frames = tensor5d(values, [2, 3, 2, 2, 3]);
    await expectNoLeak(async () => {
      await expect(rgbFromClip({ frames, validFrames: [2, 3] })).rejects.toMatchObject({ code: "not-finite" });
      expect((await rgbFromClip({ frames, validFrames: [1, 3] })).frameCount).toBe(1);
      expect((await rgbFromClip({ frames, validFrames: [2, 3] }, 1)).frameCount).toBe(3);
    });
    frames.dispose();
  });
});

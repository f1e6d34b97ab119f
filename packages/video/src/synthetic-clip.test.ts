import { describe, expect, it } from "vitest";
import { syntheticClip } from "./synthetic-clip.js";

describe("the synthetic clip", () => {
  it("depends only on the seed", () => {
    const size = { frames: 3, height: 20, width: 30 };
    expect(syntheticClip({ ...size, seed: 1 })).toEqual(syntheticClip({ ...size, seed: 1 }));
    expect(syntheticClip({ ...size, seed: 1 }).data).not.toEqual(syntheticClip({ ...size, seed: 2 }).data);
  });

  it("has the requested size and starts the same whatever its length", () => {
    const long = syntheticClip({ frames: 5, height: 17, width: 31 });
    const short = syntheticClip({ frames: 2, height: 17, width: 31 });
    expect(long.data).toHaveLength(5 * 17 * 31 * 3);
    expect(long.data.subarray(0, short.data.length)).toEqual(short.data);
  });

  it("moves, a little from frame to frame, and uses a wide range of values", () => {
    const { data } = syntheticClip({ frames: 8 });
    const bytes = 64 * 64 * 3;
    for (let frame = 1; frame < 8; frame++) {
      let change = 0;
      for (let i = 0; i < bytes; i++) change += Math.abs(data[frame * bytes + i]! - data[(frame - 1) * bytes + i]!);
      expect(change / bytes).toBeGreaterThan(0.5);
      expect(change / bytes).toBeLessThan(15);
    }
    expect(Math.max(...data) - Math.min(...data)).toBeGreaterThan(150);
  });

  it.each([{ frames: 0 }, { height: 1.5 }, { seed: 0.5 }])("refuses %j", (options) => {
    expect(() => syntheticClip(options)).toThrow(/Expected/);
  });
});

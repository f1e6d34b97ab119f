import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { expect, it } from "vitest";
import { clipFromRgb } from "../clip.js";
import { clipForTraining } from "./clip-for-training.js";

const bytes = Uint8Array.from({ length: 2 * 8 * 16 * 3 }, (_, i) => i & 255);
const clips = [
  { data: bytes, frameCount: 2, height: 8, width: 16 },
  { data: bytes.subarray(0, 384).map((byte) => 255 - byte), frameCount: 1, height: 8, width: 16 },
];

describeEachBackend("clipForTraining", () => {
  it("makes the same values as clipFromRgb of all bytes, padding included", async () => {
    for (const given of [clips, clips.slice(0, 1)]) {
      const [made, expected] = [clipForTraining(given), clipFromRgb(given)];
      expect(made.validFrames).toEqual(expected.validFrames);
      expect(made.frames.shape).toEqual(expected.frames.shape);
      expect(await made.frames.data()).toEqual(await expected.frames.data());
      made.frames.dispose();
      expected.frames.dispose();
    }
    await expectNoLeak(() => {
      clipForTraining(clips).frames.dispose();
      return Promise.resolve();
    });
  });

  it("refuses clips of several sizes", () => {
    expect(() => clipForTraining([clips[0]!, { ...clips[1]!, width: 8, height: 16 }])).toThrow("clips of one size");
  });
});

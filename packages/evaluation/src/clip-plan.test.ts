import { describe, expect, it } from "vitest";
import { clipsOfPart, planClips, type MeasuredVideo } from "./clip-plan.js";
import { protocolOf, protocolText } from "./protocol.js";

const videos: MeasuredVideo[] = [40, 128, 129, 300].map((frames) => ({
  name: `${frames}.mp4`,
  path: `/videos/${frames}.mp4`,
  frames,
}));

describe("which clips are evaluated", () => {
  it("the paper's protocol takes 10 000 clips of 128 frames and decodes all patches at once; StyleGAN-V's takes 2048 clips with one window each", () => {
    expect(protocolOf("coordtok-paper")).toMatchObject({ clips: 10_000, length: 128, slice: "all", choice: "random" });
    expect(protocolOf("stylegan-v-fvd2048-128f")).toMatchObject({ clips: 2048, length: 128, fvdWindow: 128 });
  });

  it("random clips lie within their videos, take every video equally often, and are the same for a seed", () => {
    const protocol = protocolOf("coordtok-paper", { clips: 30 });
    const { clips, leftOut } = planClips(videos, protocol, 5);
    expect(leftOut).toEqual([{ name: "40.mp4", reason: "40 frames, the protocol needs clips of 128" }]);
    expect(clips.map(({ index }) => index)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    const counts = new Map<string, number>();
    for (const { video, start, length } of clips) {
      counts.set(video.name, (counts.get(video.name) ?? 0) + 1);
      const { frames } = videos.find(({ name }) => name === video.name)!;
      expect(start + length!).toBeLessThanOrEqual(frames!);
    }
    expect([...counts.values()]).toEqual([10, 10, 10]);
    expect(planClips(videos, protocol, 5).clips).toEqual(clips);
    expect(planClips(videos, protocol, 6).clips).not.toEqual(clips);
  });

  it("windows follow each other without gap or overlap, and the remainder is dropped", () => {
    const { clips } = planClips(videos, protocolOf("16-frame-windows"), 0);
    expect(clips).toHaveLength(2 + 8 + 8 + 18);
    expect(clips.slice(0, 3).map(({ start, length }) => [start, length])).toEqual([
      [0, 16],
      [16, 16],
      [0, 16],
    ]);
  });

  it("a smaller number of windows is drawn by seed and stays in order", () => {
    const protocol = protocolOf("16-frame-windows", { clips: 5 });
    const starts = planClips(videos, protocol, 1).clips.map(
      ({ video, start }) => Number.parseInt(video.name) * 1000 + start,
    );
    expect(starts).toHaveLength(5);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    expect(protocolText(protocol)).toContain("changed: clips 5 instead of all");
  });

  it("parts divide all clips among them", () => {
    const { clips } = planClips(videos, protocolOf("16-frame-windows"), 0);
    const parts = [1, 2, 3].map((index) => clipsOfPart(clips, { number: index, of: 3 }));
    expect(
      parts
        .flat()
        .map(({ index }) => index)
        .sort((a, b) => a - b),
    ).toEqual(clips.map(({ index }) => index));
  });

  it("videos that are all too short are reported in one sentence", () => {
    expect(() => planClips(videos.slice(0, 1), protocolOf("coordtok-paper"), 0)).toThrow("None of the 1 videos");
  });
});

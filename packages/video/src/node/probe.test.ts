/** @module-tag ffmpeg */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planFrames } from "../frame-plan.js";
import { probe } from "./probe.js";
import { makeClipFolder, turnedClockwise, withClaimedFrames, type ClipFolder } from "./testdata/make-clips.js";

let folder: ClipFolder;

beforeAll(() => {
  folder = makeClipFolder();
  folder.picture("plain.mp4");
  folder.picture("plain.avi", "-c:v mpeg4 -frames:v 20");
  folder.picture("still.png", "-frames:v 1", "testsrc2=s=200x160:r=25");
});

afterAll(() => {
  folder.remove();
});

describe.each([
  ["with ffprobe", undefined],
  ["without ffprobe", false],
] as const)("probe %s", (_, ffprobe) => {
  const look = (path: string): ReturnType<typeof probe> => probe(path, { ffprobe });

  it("returns size, rate, duration, codec and pixel format", async () => {
    expect(await look(folder.at("plain.mp4"))).toEqual({
      path: folder.at("plain.mp4"),
      width: 64,
      height: 48,
      fps: 25,
      averageFps: 25,
      frameCount: ffprobe === false ? undefined : 60,
      durationSeconds: 2.4,
      rotation: 0,
      codec: "h264",
      pixelFormat: "yuv420p",
      colour: ffprobe === false ? {} : {},
      pixelAspect: 1,
      interlaced: false,
      warnings: [],
    });
  });

  it("returns the exact NTSC rate", async () => {
    const path = folder.picture("ntsc.mp4", "-frames:v 30", "testsrc2=s=64x48:r=30000/1001");
    expect(await look(path)).toMatchObject({ fps: 30000 / 1001, averageFps: 30000 / 1001, warnings: [] });
  });

  it("returns the size as displayed for a rotated file", async () => {
    const path = folder.file("turned.mp4", turnedClockwise(folder.at("plain.mp4"), 48));
    expect(await look(path)).toMatchObject({ width: 48, height: 64, rotation: 90, warnings: [] });
  });

  it(
    "warns about a variable frame rate, pixels that are not square, alpha and further tracks",
    { timeout: 60_000 },
    async () => {
      const variable = "-vf select='lt(n,10)+not(mod(n,4))' -fps_mode vfr -frames:v 33";
      const { fps, averageFps, warnings } = await look(folder.picture("vfr.mp4", variable, "testsrc2=s=64x48:r=30"));
      expect(fps).toBe(30);
      expect(averageFps).toBeCloseTo(10.42, 1);
      expect(warnings).toEqual([expect.stringMatching(/^variable frame rate \(nominal 30, average 10.42/)]);
      expect((await look(folder.picture("wide.mp4", "-vf setsar=2 -frames:v 2"))).warnings).toEqual([
        expect.stringContaining("not square (2:1)"),
      ]);
      const alpha = folder.picture("alpha.webm", "-c:v libvpx-vp9 -pix_fmt yuva420p -frames:v 2");
      expect((await look(alpha)).warnings).toEqual(["alpha ignored"]);
      const two = folder.make("-i plain.mp4 -i plain.mp4 -map 0 -map 1 -c copy", "two.mp4");
      expect((await look(two)).warnings).toEqual(["it has 2 video tracks; the first is read"]);
    },
  );

  it("treats pixels within two per cent of square as square", async () => {
    expect((await look(folder.picture("nearly.mp4", "-vf setsar=256/255 -frames:v 2"))).warnings).toEqual([]);
  });

  it("passes over a cover picture", async () => {
    const path = folder.make(
      "-i still.png -i plain.mp4 -map 0 -map 1 -c copy -disposition:v:0 attached_pic",
      "cover.mp4",
    );
    expect(await look(path)).toMatchObject({ width: 64, height: 48, codec: "h264", warnings: [] });
  });

  it("works for a live stream that states neither duration nor frames", async () => {
    const path = folder.picture("live.mkv", "-frames:v 12 -live 1 -f matroska");
    expect(await look(path)).toMatchObject({ frameCount: undefined, durationSeconds: undefined, fps: 25 });
  });

  it("assumes 25 frames per second for a raw stream without a rate", async () => {
    expect(await look(folder.picture("raw.h264", "-frames:v 5 -f h264"))).toMatchObject({ fps: 25, warnings: [] });
  });

  it("ignores a header that claims more frames than there are bytes", async () => {
    const path = folder.file("lie.avi", withClaimedFrames(folder.at("plain.avi"), 2 ** 31 - 1));
    const info = await look(path);
    expect(info).toMatchObject({ frameCount: undefined, durationSeconds: undefined });
    expect(info.warnings).toEqual([expect.stringMatching(/claims 2147483647 frames in \d+ bytes; .* ignored/)]);
    expect(planFrames(info, { length: 3 }).indices).toEqual([0, 1, 2]);
  });

  it("warns about a still picture", async () => {
    expect(await look(folder.at("still.png"))).toMatchObject({
      codec: "png",
      warnings: ["it is a still picture, with only 1 frame"],
    });
  });
});

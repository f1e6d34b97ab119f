import { linkSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CoordTokError, type RgbClip } from "@coordtok/core";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo, type WindowLoader, type WindowRequest } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TrainingWindows, windowsAhead, withoutDamaged, withoutHeldOut } from "./training-videos.js";

let folder = "";
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-held-out-"));
  for (const name of ["a.mp4", "b.mp4", "c.mp4"]) writeFileSync(at(name), name);
  symlinkSync(at("a.mp4"), at("link to a.mp4"));
  linkSync(at("b.mp4"), at("second name of b.mp4"));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

it("held-out videos are left out of the training under every path and link, and that is said", async () => {
  const notes: string[] = [];
  const onNote = (text: string): void => void notes.push(text);
  const videos = ["a.mp4", "b.mp4", "c.mp4"].map(at);
  const heldOut = [at("link to a.mp4"), `${folder}/../${folder.split("/").at(-1)}/second name of b.mp4`];
  expect(await withoutHeldOut(videos, heldOut, { onNote })).toEqual([at("c.mp4")]);
  expect(notes).toEqual([`Held out, so not trained on: ${at("a.mp4")}, ${at("b.mp4")}`]);
  expect(await withoutHeldOut(videos, [at("elsewhere.mp4")], { onNote })).toEqual(videos);
  expect(notes).toHaveLength(1);
});

it("a training with nothing but held-out videos is refused", async () => {
  await expect(withoutHeldOut([at("a.mp4")], [at("a.mp4")], {})).rejects.toMatchObject({ code: "input" });
});

it("damaged videos are trained on, left out and listed, or refused, as one chooses", { timeout: 60_000 }, async () => {
  const [whole, half] = [at("whole.mkv"), at("half.mkv")];
  for (const path of [whole, half])
    await writeVideo(path, framesFromClip(syntheticClip({ frames: 64, height: 32, width: 32 }), 25), { fps: 25 });
  const bytes = readFileSync(half);
  writeFileSync(half, bytes.subarray(0, Math.floor(bytes.length * 0.7)));
  const videos = [half, whole, at("a.mp4")];
  expect(await withoutDamaged(videos, "use", {})).toEqual({ kept: videos, skipped: [] });
  const warnings: string[] = [];
  const skipping = await withoutDamaged(videos, "skip", { onWarning: (text) => void warnings.push(text) });
  // What is no video at all is found when it is read.
  expect(skipping.kept).toEqual([whole, at("a.mp4")]);
  expect(skipping.skipped).toEqual([
    { video: half, reason: expect.stringMatching(/half\.mkv" is damaged: /) as string },
  ]);
  expect(warnings).toEqual([`Left out: ${skipping.skipped[0]!.reason}`]);
  await expect(withoutDamaged(videos, "fail", {})).rejects.toMatchObject({ code: "file-format" });
  await expect(withoutDamaged([half], "skip", {})).rejects.toMatchObject({ code: "input" });
});

describe("the windows of a training", () => {
  /** Windows whose only byte is the number of their video; videos named bad cannot be read. */
  const loaderOf = (read: string[] = []): { loader: WindowLoader; release: () => void; hold: () => void } => {
    let gate = Promise.resolve();
    let open = (): void => undefined;
    const loader = {
      read: async ({ path }: WindowRequest): Promise<RgbClip> => {
        read.push(path);
        await gate;
        if (path.includes("bad")) throw new CoordTokError("not-a-video", `"${path}" is no video.`);
        return { data: Uint8Array.of(Number(path.slice(1)), 0, 0), frameCount: 1, width: 1, height: 1 };
      },
      close: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const hold = (): void => {
      gate = new Promise((resolve) => (open = resolve));
    };
    return { loader, hold, release: () => open() };
  };
  const videos = ["v0", "v1", "bad2", "v3", "v4", "v5", "v6"];
  const valuesOf = (clips: readonly RgbClip[]): number[] => clips.map(({ data }) => data[0]!);

  it("are the same wherever a training continues, and are read ahead", async () => {
    const whole = new TrainingWindows(loaderOf().loader, { videos, seed: 4, frames: 1 }, {});
    const expected = [...valuesOf(await whole.windows(0, 8)), ...valuesOf(await whole.windows(8, 8))];
    const read: string[] = [];
    const later = new TrainingWindows(loaderOf(read).loader, { videos, seed: 4, frames: 1 }, {});
    expect(valuesOf(await later.windows(8, 4))).toEqual(expected.slice(8, 12));
    expect(read.length).toBeGreaterThanOrEqual(4 + windowsAhead(4));
    expect(valuesOf(await later.windows(12, 4))).toEqual(expected.slice(12, 16));
  });

  it("pass over videos that cannot be read, which is said once", async () => {
    const warnings: string[] = [];
    const onWarning = (text: string): void => void warnings.push(text);
    const windows = new TrainingWindows(loaderOf().loader, { videos, seed: 1, frames: 1 }, { onWarning });
    const drawn = valuesOf(await windows.windows(0, 70));
    expect(new Set(drawn)).toEqual(new Set([0, 1, 3, 4, 5, 6]));
    expect(warnings).toEqual(['Left out: "bad2" is no video.']);
    expect(windows.skipped).toEqual([{ video: "bad2", reason: '"bad2" is no video.' }]);
    const none = new TrainingWindows(loaderOf().loader, { videos: ["bad1", "bad2"], seed: 1, frames: 1 }, {});
    await expect(none.windows(0, 1)).rejects.toMatchObject({
      code: "input",
      message: expect.stringContaining("None of the 2 videos can be read; the first: ") as string,
    });
  });

  it("do not keep a training that is stopped waiting", async () => {
    const stop = new AbortController();
    const { loader, hold, release } = loaderOf();
    hold();
    const windows = new TrainingWindows(loader, { videos, seed: 1, frames: 1 }, { signal: stop.signal });
    const waiting = windows.windows(0, 2);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: "aborted" });
    release();
  });
});

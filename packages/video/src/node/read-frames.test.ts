/** @module-tag ffmpeg */
import { existsSync, readFileSync, statSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { RgbFrame } from "@coordtok/core";
import { mistyped } from "@coordtok/tools/mistyped";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planFrames } from "../frame-plan.js";
import { fitFrame } from "../resize.js";
import { probe } from "./probe.js";
import { readClip, type ReadClipOptions } from "./read-clip.js";
import { readFrames } from "./read-frames.js";
import { failureOf, makeClipFolder, turnedClockwise, type ClipFolder } from "./testdata/make-clips.js";

let folder: ClipFolder;
let numbered = "";

beforeAll(() => {
  folder = makeClipFolder();
  // Lossless, and frame n is grey of level 4n: a frame tells its index.
  numbered = folder.make(
    "-f lavfi -i color=black:s=20x12:r=10:d=6,format=gbrp,geq=r='4*N':g='4*N':b='4*N' -c:v ffv1",
    "numbered.mkv",
  );
});

afterAll(() => {
  folder.remove();
});

async function collect(frames: AsyncIterable<RgbFrame>): Promise<RgbFrame[]> {
  const all: RgbFrame[] = [];
  for await (const frame of frames) all.push(frame);
  return all;
}

const indexOf = (frame: RgbFrame): number => frame.data[0]! / 4;

describe("readFrames", () => {
  it("reads every frame with its time, in order", async () => {
    const frames = await collect(readFrames(numbered));
    expect(frames.map(indexOf)).toEqual(Array.from({ length: 60 }, (_, i) => i));
    frames.forEach((frame, index) => {
      expect(frame).toMatchObject({ width: 20, height: 12 });
      expect(frame.timestampSeconds).toBeCloseTo(index / 10, 6);
    });
  });

  it("reads exactly the frames of a range or a plan", { timeout: 30_000 }, async () => {
    const indices = async (wanted: Parameters<typeof readFrames>[1]): Promise<number[]> =>
      (await collect(readFrames(numbered, wanted))).map(indexOf);
    expect(await indices({ start: 3, length: 4 })).toEqual([3, 4, 5, 6]);
    expect(await indices({ start: 5, stride: 7, length: 3 })).toEqual([5, 12, 19]);
    expect(await indices({ start: 50, stride: 4 })).toEqual([50, 54, 58]);
    expect(await indices({ indices: [2, 3, 9, 40], padding: 0 })).toEqual([2, 3, 9, 40]);
    const plan = planFrames({ path: numbered, frameCount: 60 }, { length: 5, start: 2, stride: 14 });
    expect(await indices(plan)).toEqual([2, 16, 30, 44, 58]);
    const times = await collect(readFrames(numbered, { indices: [7, 9, 30], padding: 0 }));
    expect(times.map((frame) => frame.timestampSeconds)).toEqual([0.7, 0.9, 3]);
  });

  it("keeps the frames and the times of a variable rate", async () => {
    const variable = "-vf select='lt(n,10)+not(mod(n,4))' -fps_mode vfr -frames:v 33 -c:v libx264";
    const path = folder.picture("vfr.mp4", variable, "testsrc2=s=64x48:r=30");
    const frames = await collect(readFrames(path));
    expect(frames).toHaveLength(33);
    const ticks = frames.map((frame) => Math.round(frame.timestampSeconds * 30));
    expect(ticks).toEqual([...Array(10).keys(), ...Array.from({ length: 23 }, (_, i) => 12 + 4 * i)]);
  });

  it("rotates frames as they are displayed", async () => {
    const left = "color=black:s=64x48:r=5:d=1,drawbox=x=0:y=0:w=16:h=16:color=white:t=fill";
    const upright = folder.make(`-f lavfi -i ${left} -c:v libx264 -crf 5`, "corner.mp4");
    const path = folder.file("turned.mp4", turnedClockwise(upright, 48));
    for (const resize of ["exact", "fast"] as const) {
      const [frame] = await collect(readFrames(path, { length: 1 }, { size: { width: 24, height: 32 }, resize }));
      expect(frame).toMatchObject({ width: 24, height: 32 });
      const brightness = (x: number, y: number): number => frame!.data[(y * 24 + x) * 3]!;
      // After a quarter turn clockwise the upper left corner is at the upper right.
      expect(brightness(21, 2)).toBeGreaterThan(200);
      expect(brightness(2, 2)).toBeLessThan(50);
      expect(brightness(21, 29)).toBeLessThan(50);
    }
  });

  it.each([
    ["odd sides in h264", "odd.mp4", "-frames:v 3 -c:v libx264 -pix_fmt yuv444p", 161, 121],
    ["odd sides in vp9", "odd.webm", "-frames:v 3 -c:v libvpx-vp9 -pix_fmt yuv420p", 161, 121],
    ["10 bits a value", "ten.mp4", "-frames:v 3 -c:v libx264 -pix_fmt yuv420p10le", 160, 120],
    ["an alpha channel", "alpha.webm", "-frames:v 3 -c:v libvpx-vp9 -pix_fmt yuva420p", 160, 120],
    ["interlaced pictures", "interlaced.mpg", "-frames:v 3 -c:v mpeg2video -flags +ildct+ilme", 160, 120],
    ["no stated duration", "live.mkv", "-frames:v 3 -c:v libx264 -live 1 -f matroska", 160, 120],
  ])("reads %s", async (_, name, args, width, height) => {
    const path = folder.picture(name, args, `testsrc=s=${width}x${height}:r=25`);
    const [reference] = await collect(
      readFrames(folder.picture(`${name}.png`, "-frames:v 1", `testsrc=s=${width}x${height}:r=25`)),
    );
    const frames = await collect(readFrames(path));
    expect(frames).toHaveLength(3);
    for (const frame of frames) expect(frame).toMatchObject({ width, height });
    // Lossy, but the same picture: right colours in the right places.
    expect(meanDistance(frames[0]!, reference!)).toBeLessThan(8);
  });

  it("reads the video and not its cover picture", async () => {
    folder.picture("still.png", "-frames:v 1", "testsrc2=s=200x160:r=25");
    folder.picture("film.mp4", "-frames:v 6");
    const path = folder.make(
      "-i still.png -i film.mp4 -map 0 -map 1 -c copy -disposition:v:0 attached_pic",
      "cover.mp4",
    );
    const frames = await collect(readFrames(path));
    expect(frames.map(({ width, height }) => `${width}x${height}`)).toEqual(Array(6).fill("64x48"));
  });

  it(
    "resizes like Pillow with exact, and with fast to the same size and within two levels of it on average",
    { timeout: 60_000 },
    async () => {
      const path = folder.picture("large.mp4", "-frames:v 3", "testsrc2=s=320x240:r=25");
      for (const size of [
        { width: 128, height: 128 },
        { width: 64, height: 96 },
      ]) {
        const full = await collect(readFrames(path));
        const exact = await collect(readFrames(path, {}, { size }));
        expect(exact).toEqual(full.map((frame) => fitFrame(frame, size)));
        const fast = await collect(readFrames(path, {}, { size, resize: "fast" }));
        fast.forEach((frame, index) => {
          expect(frame).toMatchObject(size);
          expect(meanDistance(frame, exact[index]!)).toBeLessThan(2);
        });
      }
    },
  );

  it("returns frames that do not change while later ones are read", async () => {
    for (const size of [undefined, { width: 20, height: 12 }, { width: 12, height: 20 }, { width: 8, height: 8 }]) {
      const frames = await collect(readFrames(numbered, { length: 8 }, { size }));
      expect(frames.map(indexOf)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    }
  });

  it("scales to the first size if frames change it, and refuses a stride then", async () => {
    const parts = [
      folder.picture("a.ts", "-frames:v 10 -c:v libx264 -pix_fmt yuv420p", "testsrc2=s=160x120:r=10"),
      folder.picture("b.ts", "-frames:v 10 -c:v libx264 -pix_fmt yuv420p", "testsrc2=s=200x100:r=10"),
    ];
    const path = folder.file("changing.ts", Buffer.concat(parts.map((part) => readFileSync(part))));
    const warnings: string[] = [];
    const frames = await collect(readFrames(path, {}, { onWarning: (text) => warnings.push(text) }));
    expect(frames.map(({ width, height }) => `${width}x${height}`)).toEqual(Array(20).fill("160x120"));
    expect(warnings).toContainEqual(expect.stringContaining("scaled to the first size"));
    const error = await failureOf(collect(readFrames(path, { stride: 3 })));
    expect(error.code).toBe("unsupported");
  });

  it("reports progress up to the stated count", async () => {
    const events: string[] = [];
    const path = folder.picture("progress.mp4", "-frames:v 5");
    await collect(
      readFrames(
        path,
        { length: 9 },
        { onProgress: ({ task, done, total, unit }) => events.push(`${task} ${done}/${total} ${unit}`) },
      ),
    );
    expect(events).toEqual([1, 2, 3, 4, 5].map((done) => `read ${done}/5 frames`));
  });

  it("refuses invalid ranges, plans and sizes", async () => {
    const code = async (...args: Parameters<typeof readFrames>): Promise<string> =>
      (await failureOf(collect(readFrames(...args)))).code;
    expect(await code(numbered, { length: 0 })).toBe("config");
    expect(await code(numbered, { indices: [], padding: 3 })).toBe("input");
    expect(await code(numbered, { indices: [4, 4], padding: 0 })).toBe("input");
    expect(await code(numbered, {}, { size: { width: 0, height: 4 } })).toBe("config");
    expect(await code(numbered, {}, { resize: mistyped("slow") })).toBe("config");
    const late = await failureOf(collect(readFrames(numbered, { start: 60 })));
    expect(late.message).toContain("below the 60 frames");
  });
});

const processTable = existsSync("/proc/self/io");
if (!processTable)
  process.stdout.write("skipped: the state of ffmpeg while reading needs the process table of Linux in /proc\n");

describe.skipIf(!processTable)("ffmpeg while frames are read", () => {
  let long = "";

  beforeAll(() => {
    // 4000 frames of 58 kB: 230 MB of pictures in a small file.
    long = folder.picture("long.mkv", "-frames:v 4000 -c:v mpeg4 -g 100", "testsrc2=s=160x120:r=50");
  });

  it("keeps only a frame or two of a long file in memory", { timeout: 120_000 }, async () => {
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    const held = async (): Promise<number> => {
      collectGarbage();
      // Buffers are freed by another thread.
      await setTimeout(20);
      collectGarbage();
      return process.memoryUsage().arrayBuffers;
    };
    const before = await held();
    let most = 0;
    let count = 0;
    for await (const frame of readFrames(long)) {
      expect(frame.data.length).toBe(160 * 120 * 3);
      if (count++ % 400 === 0) most = Math.max(most, (await held()) - before);
    }
    expect(count).toBe(4000);
    expect(most).toBeLessThan(4e6);
  });

  it("waits while the consumer works", async () => {
    const before = new Set(childProcesses());
    const frames = readFrames(long);
    await frames.next();
    const ffmpeg = childProcesses().find((id) => !before.has(id))!;
    const bytesRead = (): number => Number(/rchar: (\d+)/.exec(readFileSync(`/proc/${ffmpeg}/io`, "utf8"))![1]);
    await setTimeout(500);
    const filled = bytesRead();
    await setTimeout(500);
    expect(bytesRead()).toBe(filled);
    expect(filled).toBeLessThan(statSync(long).size / 2);
    await frames.return();
  });

  it("ends when the consumer leaves the loop", async () => {
    const running = await startsAndEnds(async () => {
      for await (const frame of readFrames(long)) {
        expect(frame.width).toBe(160);
        break;
      }
    });
    expect(running).toEqual([]);
  });

  it("stops at once on abort, with code aborted and no ffmpeg left", async () => {
    const abort = new AbortController();
    const running = await startsAndEnds(async () => {
      const error = await failureOf(
        (async () => {
          let count = 0;
          for await (const frame of readFrames(long, {}, { signal: abort.signal }))
            if (frame.width > 0 && ++count === 5) abort.abort();
        })(),
      );
      expect(error.code).toBe("aborted");
    });
    expect(running).toEqual([]);
    expect((await failureOf(readClip(long, { signal: abort.signal }))).code).toBe("aborted");
  });

  it("decodes nothing after the last wanted frame", { timeout: 30_000 }, async () => {
    const began = performance.now();
    expect((await readClip(long, { length: 3 })).clip.frameCount).toBe(3);
    const short = performance.now() - began;
    await readClip(long, { size: { width: 8, height: 8 }, resize: "fast" });
    expect(performance.now() - began - short).toBeGreaterThan(short);
  });
});

describe("readClip", () => {
  it("returns the frames, their times, the facts, the mode and the warnings", async () => {
    const result = await readClip(numbered, { length: 4, start: 1, stride: 2 });
    expect(result.clip).toMatchObject({ frameCount: 4, width: 20, height: 12 });
    expect(result).toMatchObject({ padding: 0, timestampsSeconds: [0.1, 0.3, 0.5, 0.7], resize: "none", warnings: [] });
    expect(result.info).toEqual(await probe(numbered));
    const size = { width: 8, height: 8 };
    expect((await readClip(numbered, { length: 1, size })).resize).toBe("exact");
    expect((await readClip(numbered, { length: 1, size, resize: "fast" })).resize).toBe("fast");
  });

  it("reads the whole file without a length", async () => {
    expect(await readClip(numbered)).toMatchObject({ clip: { frameCount: 60 }, padding: 0, warnings: [] });
  });

  it("resamples to a rate: the frame that is shown at each time", async () => {
    const levels = async (path: string, options: ReadClipOptions): Promise<{ frames: number[]; times: number[] }> => {
      const { clip, timestampsSeconds } = await readClip(path, options);
      const bytes = clip.width * clip.height * 3;
      const frames = Array.from({ length: clip.frameCount }, (_, i) => clip.data[i * bytes]! / 4);
      return { frames, times: [...timestampsSeconds] };
    };
    const slow = await levels(numbered, { fps: 4 });
    expect(slow.frames).toEqual(Array.from({ length: 24 }, (_, i) => Math.floor(2.5 * i)));
    expect(slow.times).toEqual(Array.from({ length: 24 }, (_, i) => i / 4));
    expect((await levels(numbered, { fps: 10 })).frames).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect(await levels(numbered, { fps: 25, start: 3, stride: 2, length: 3 })).toEqual({
      frames: [1, 2, 2],
      times: [3, 5, 7].map((i) => i / 25),
    });
    // Frames 0 to 9 at 10 per second, then every fourth.
    const path = folder.at("uneven.mkv");
    folder.make(`-i ${numbered} -vf select='lt(n,10)+not(mod(n,4))' -fps_mode vfr -c:v ffv1`, "uneven.mkv");
    const times = (await readClip(path)).timestampsSeconds.map((time) => Math.round(time * 10));
    expect(times).toEqual([...Array(10).keys(), ...Array.from({ length: 12 }, (_, i) => 12 + 4 * i)]);
    const even = await levels(path, { fps: 5, length: 15 });
    expect(even.times).toEqual(Array.from({ length: 15 }, (_, i) => i / 5));
    expect(even.frames).toEqual([0, 2, 4, 6, 8, 9, 12, 12, 16, 16, 20, 20, 24, 24, 28]);
    await expect(readClip(numbered, { fps: 1, start: 6 })).rejects.toThrow("a start below the 6 frames");
    await expect(readClip(numbered, { fps: 0 })).rejects.toMatchObject({ code: "config" });
  });

  it("reports each warning once, also through the callback", async () => {
    const told: string[] = [];
    const { warnings } = await readClip(folder.picture("wide.mp4", "-vf setsar=2 -frames:v 2"), {
      length: 5,
      onWarning: (text) => told.push(text),
    });
    expect(warnings).toEqual([
      expect.stringContaining("not square"),
      "only 2 of 5 requested frames; the other 3 are padding",
    ]);
    expect(told).toEqual(warnings);
  });
});

function meanDistance(a: RgbFrame, b: RgbFrame): number {
  expect(a.data.length).toBe(b.data.length);
  return a.data.reduce((sum, value, index) => sum + Math.abs(value - b.data[index]!), 0) / a.data.length;
}

/** The processes that a call started and that still run after it. */
async function startsAndEnds(run: () => Promise<void>): Promise<string[]> {
  const before = new Set(childProcesses());
  await run();
  return childProcesses().filter((id) => !before.has(id));
}

function childProcesses(): string[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, "utf8")
    .split(" ")
    .filter((id) => id.trim() !== "");
}

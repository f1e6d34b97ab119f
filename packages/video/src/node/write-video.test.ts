/** @module-tag ffmpeg */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { Random, type RgbFrame } from "@coordtok/core";
import { mistyped } from "@coordtok/tools/mistyped";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { probe } from "./probe.js";
import { readClip } from "./read-clip.js";
import { readFrames } from "./read-frames.js";
import { failureOf, makeClipFolder, type ClipFolder } from "./testdata/make-clips.js";
import { writeVideo, type WriteVideoOptions } from "./write-video.js";

let folder: ClipFolder;

beforeAll(() => {
  folder = makeClipFolder();
});

beforeEach(() => {
  for (const name of readdirSync(folder.path)) rmSync(folder.at(name), { recursive: true });
});

afterAll(() => {
  folder.remove();
});

/** A coloured disc that moves over a gradient. */
function* frames(count: number, width = 64, height = 48): Generator<RgbFrame> {
  for (let time = 0; time < count; time++) {
    const data = new Uint8Array(width * height * 3);
    for (let y = 0, at = 0; y < height; y++)
      for (let x = 0; x < width; x++, at += 3) {
        const inside = (x - 10 - 2 * time) ** 2 + (y - height / 2) ** 2 < 100;
        data.set(inside ? [220, 40, 30] : [(x * 255) / width, (y * 255) / height, 120], at);
      }
    yield { width, height, data, timestampSeconds: time / 25 };
  }
}

const bytesOf = (all: Iterable<RgbFrame>): Uint8Array => Buffer.concat([...all].map(({ data }) => data));

function psnr(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  const squares = a.reduce((sum, value, index) => sum + (value - b[index]!) ** 2, 0);
  return squares === 0 ? Infinity : 10 * Math.log10((255 ** 2 * a.length) / squares);
}

const write = (name: string, count = 12, options: Partial<WriteVideoOptions> = {}): ReturnType<typeof writeVideo> =>
  writeVideo(folder.at(name), frames(count), { fps: 25, ...options });

describe("writeVideo", () => {
  it.each([
    ["mp4", "h264", "libx264", 30],
    ["webm", "vp9", "libvpx-vp9", 30],
    ["gif", "gif", "gif", 28],
    ["mkv", "ffv1", "ffv1", Infinity],
  ] as const)("writes %s that reads back", async (format, codec, encoder, atLeast) => {
    const path = folder.at(`clip.${format}`);
    expect(await write(`clip.${format}`)).toEqual({
      path,
      format,
      encoder,
      frameCount: 12,
      width: 64,
      height: 48,
      warnings: [],
    });
    expect(await probe(path)).toMatchObject({ width: 64, height: 48, fps: 25, codec });
    const { clip, timestampsSeconds } = await readClip(path, { strict: true });
    expect(clip.frameCount).toBe(12);
    expect(psnr(clip.data, bytesOf(frames(12)))).toBeGreaterThanOrEqual(atLeast);
    timestampsSeconds.forEach((time, index) => expect(time).toBeCloseTo(index / 25, 3));
    expect(readdirSync(folder.path)).toEqual([`clip.${format}`]);
  });

  it("writes a folder of numbered pictures without loss", async () => {
    expect(await write("pictures/", 3)).toMatchObject({ format: "png", frameCount: 3 });
    expect(readdirSync(folder.at("pictures"))).toEqual(["000000.png", "000001.png", "000002.png"]);
    const { clip } = await readClip(folder.at("pictures/000001.png"));
    expect(clip.data).toEqual(new Uint8Array([...frames(3)][1]!.data));
    expect(readdirSync(folder.path)).toEqual(["pictures"]);
  });

  it("writes one frame that is said to be the only one into a file", async () => {
    expect(await write("one.png", 1, { frameCount: 1 })).toMatchObject({
      format: "png",
      encoder: "png",
      frameCount: 1,
    });
    expect((await readClip(folder.at("one.png"))).clip.data).toEqual(new Uint8Array([...frames(1)][0]!.data));
    expect(await failureOf(write("one.png", 1, { frameCount: 1 }))).toMatchObject({ code: "file-exists" });
    expect(await failureOf(write("two.png", 2, { frameCount: 1 }))).toMatchObject({
      code: "input",
      message: expect.stringMatching(/^Expected one frame for ".*two\.png", got more\.$/) as string,
    });
    expect(readdirSync(folder.path)).toEqual(["one.png"]);
  });

  it("keeps every pixel of every small size as mkv", { timeout: 240_000 }, async () => {
    const sides = [1, 2, 3, 4, 5, 7, 8, 16, 32];
    const sizes = sides.flatMap((width) => sides.map((height) => [width, height] as const));
    const random = new Random(3);
    const noise = (width: number, height: number): RgbFrame => ({
      width,
      height,
      data: Uint8Array.from({ length: width * height * 3 }, () => random.integer(256)),
      timestampSeconds: 0,
    });
    const changed: string[] = [];
    for (const [width, height] of sizes) {
      const given = [noise(width, height), noise(width, height)];
      const path = folder.at(`${width}x${height}.mkv`);
      await writeVideo(path, given, { fps: 25 });
      const { clip } = await readClip(path);
      if (psnr(clip.data, bytesOf(given)) !== Infinity) changed.push(`${width}x${height}`);
    }
    expect(changed).toEqual([]);
  });

  it.each(["mp4", "webm", "gif", "mkv", "png"] as const)("writes frames with odd sides as %s", async (format) => {
    const path = folder.at(`odd.${format}`);
    const result = await writeVideo(path, frames(3, 33, 21), { fps: 10 });
    const even = format === "mp4";
    expect(result).toMatchObject({ width: even ? 34 : 33, height: even ? 22 : 21 });
    expect(result.warnings).toEqual(even ? ["mp4 needs even sides: 33x21 was written as 34x22"] : []);
    const { clip } = await readClip(format === "png" ? `${path}/000000.png` : path, { strict: true });
    expect(clip).toMatchObject({ width: result.width, height: result.height, frameCount: format === "png" ? 1 : 3 });
  });

  it("repeats the last column and row where an mp4 needs even sides", async () => {
    const path = folder.at("edge.mp4");
    await writeVideo(path, frames(1, 33, 21), { fps: 10, quality: "high" });
    const { data } = (await readClip(path)).clip;
    const pixel = (x: number, y: number): number[] => [...data.subarray((y * 34 + x) * 3, (y * 34 + x) * 3 + 3)];
    for (const [x, y] of [
      [33, 5],
      [20, 21],
      [33, 21],
    ] as const)
      pixel(x, y).forEach((value, c) =>
        expect(Math.abs(value - pixel(Math.min(x, 32), Math.min(y, 20))[c]!)).toBeLessThan(12),
      );
  });

  it("keeps more of the picture with higher quality", async () => {
    const sizes = [];
    for (const quality of ["small", "good", "high"] as const) {
      await write(`${quality}.mp4`, 12, { quality });
      sizes.push(readFileSync(folder.at(`${quality}.mp4`)).length);
    }
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
    expect(sizes[2]).toBeGreaterThan(sizes[0]! * 1.2);
  });

  it.each(["mp4", "webm"])("tags %s with the colours it is written in", async (format) => {
    await write(`tagged.${format}`);
    const entries = "stream=color_range,color_space,color_transfer,color_primaries";
    const args = ["-v", "error", "-show_entries", entries, "-of", "csv", folder.at(`tagged.${format}`)];
    expect(execFileSync("ffprobe", args, { encoding: "utf8" }).trim()).toBe("stream,tv,bt709,bt709,bt709");
  });

  it("writes the frames of another video one by one", { timeout: 60_000 }, async () => {
    await write("source.mkv", 20);
    const target = folder.at("target.mkv");
    await writeVideo(target, readFrames(folder.at("source.mkv"), { stride: 2 }), { fps: 12.5 });
    const expected = [...frames(20)].filter((_, index) => index % 2 === 0);
    expect((await readClip(target)).clip.data).toEqual(new Uint8Array(bytesOf(expected)));
    expect((await probe(target)).fps).toBe(12.5);
  });

  it("keeps the NTSC rate exactly", async () => {
    await write("ntsc.mp4", 5, { fps: 30000 / 1001 });
    expect((await probe(folder.at("ntsc.mp4"))).fps).toBe(30000 / 1001);
  });

  it("keeps all frames of a gif that is too fast for players, and says that it plays slower", async () => {
    const { warnings } = await write("fast.gif", 12, { fps: 120 });
    expect(warnings).toEqual([expect.stringContaining("50 frames per second")]);
    expect((await readClip(folder.at("fast.gif"))).clip.frameCount).toBe(12);
  });

  it("reports progress", async () => {
    const events: string[] = [];
    await write("clip.mp4", 2, {
      frameCount: 2,
      onProgress: ({ task, done, total, unit }) => events.push(`${task} ${done}/${total} ${unit}`),
    });
    expect(events).toEqual(["write 1/2 frames", "write 2/2 frames"]);
  });

  it(
    "uses another encoder if ffmpeg lacks the best one, and names the missing ones if there is none",
    { timeout: 30_000 },
    async () => {
      const without = (name: string, pattern: string): string => {
        const path = folder.file(
          name,
          `#!/bin/sh\ncase "$*" in *-encoders) ffmpeg "$@" | grep -v -E '${pattern}';; *) exec ffmpeg "$@";; esac\n`,
        );
        chmodSync(path, 0o755);
        return path;
      };
      const lean = without("lean", "264|vp9");
      expect((await write("clip.mp4", 3, { ffmpeg: lean })).encoder).toBe("mpeg4");
      expect((await write("clip.webm", 3, { ffmpeg: lean })).encoder).toBe("libvpx");
      expect((await readClip(folder.at("clip.mp4"), { strict: true })).clip.frameCount).toBe(3);
      const error = await failureOf(write("none.webm", 3, { ffmpeg: without("none", "vpx|av1") }));
      expect(error.code).toBe("unsupported");
      expect(error.message).toContain("no encoder for it (libvpx-vp9, libvpx");
    },
  );
});

describe("writeVideo leaves nothing half-written", () => {
  const left = (): string[] => readdirSync(folder.path).sort();

  it("when there are no frames", async () => {
    for (const name of ["clip.mp4", "clip.gif", "pictures/"]) {
      const error = await failureOf(write(name, 0));
      expect(error.code).toBe("input");
      expect(error.message).toContain("at least one frame");
    }
    expect(left()).toEqual([]);
  });

  it("when frames differ in size", async () => {
    for (const name of ["clip.mp4", "clip.gif", "pictures.png"]) {
      const mixed = [...frames(3), ...frames(1, 32, 48)];
      const error = await failureOf(writeVideo(folder.at(name), mixed, { fps: 25 }));
      expect(error.code).toBe("shape");
      expect(error.message).toContain("as frame 3");
    }
    expect(left()).toEqual([]);
  });

  it("when the frames themselves fail, and passes their error on", async () => {
    const failing = (function* (): Generator<RgbFrame> {
      yield* frames(3);
      throw new RangeError("from the source");
    })();
    await expect(writeVideo(folder.at("clip.mp4"), failing, { fps: 25 })).rejects.toThrow(RangeError);
    expect(left()).toEqual([]);
  });

  it.each(["clip.mp4", "clip.gif", "pictures/"])("on abort, even if the source hangs: %s", async (name) => {
    const abort = new AbortController();
    let release = (): void => undefined;
    let closed = false;
    const hanging = (async function* (): AsyncGenerator<RgbFrame> {
      try {
        yield* frames(4);
        const hang = new Promise<void>((resolve) => (release = resolve));
        abort.abort();
        await hang;
        yield* frames(1);
      } finally {
        closed = true;
      }
    })();
    const error = await failureOf(writeVideo(folder.at(name), hanging, { fps: 25, signal: abort.signal }));
    expect(error.code).toBe("aborted");
    expect(left()).toEqual([]);
    expect(closed).toBe(false);
    release();
    await vi.waitFor(() => expect(closed).toBe(true));
    expect((await failureOf(write("clip.mp4", 3, { signal: abort.signal }))).code).toBe("aborted");
    expect(left()).toEqual([]);
  });

  it("when the output exists, which stays as it was, unless it may be replaced", async () => {
    const path = folder.file("clip.mp4", "precious");
    const error = await failureOf(write("clip.mp4"));
    expect(error.code).toBe("file-exists");
    expect(error.message).toContain("already exists");
    expect(readFileSync(path, "utf8")).toBe("precious");
    expect((await failureOf(writeVideo(path, [], { fps: 25, overwrite: true }))).code).toBe("input");
    expect(readFileSync(path, "utf8")).toBe("precious");
    await write("clip.mp4", 3, { overwrite: true });
    expect((await readClip(path)).clip.frameCount).toBe(3);
    expect(left()).toEqual(["clip.mp4"]);
  });

  it("when an output appears while frames are written", async () => {
    const path = folder.at("clip.mkv");
    const source = (function* (): Generator<RgbFrame> {
      yield* frames(2);
      writeFileSync(path, "precious");
      yield* frames(1);
    })();
    expect((await failureOf(writeVideo(path, source, { fps: 25 }))).code).toBe("file-exists");
    expect(readFileSync(path, "utf8")).toBe("precious");
    expect(left()).toEqual(["clip.mkv"]);
  });

  it("behind a link, which keeps pointing at the file", async () => {
    mkdirSync(folder.at("elsewhere"));
    writeFileSync(folder.at("elsewhere/real.mkv"), "old");
    symlinkSync(folder.at("elsewhere/real.mkv"), folder.at("link.mkv"));
    await write("link.mkv", 2, { overwrite: true });
    expect((await readClip(folder.at("elsewhere/real.mkv"))).clip.frameCount).toBe(2);
    expect(left()).toEqual(["elsewhere", "link.mkv"]);
  });

  it("in a folder of pictures: numbered ones are replaced if allowed, other files never", async () => {
    await write("pictures/", 5);
    expect((await failureOf(write("pictures/", 2))).code).toBe("file-exists");
    await write("pictures/", 2, { overwrite: true });
    expect(readdirSync(folder.at("pictures"))).toEqual(["000000.png", "000001.png"]);
    folder.file("pictures/diary.txt", "precious");
    const error = await failureOf(write("pictures/", 2, { overwrite: true }));
    expect(error.code).toBe("file-exists");
    expect(error.message).toContain("holds files other than numbered pictures");
    mkdirSync(folder.at("empty"));
    await write("empty/", 2);
    expect(readdirSync(folder.at("empty"))).toHaveLength(2);
    folder.file("file.png", "precious");
    expect((await failureOf(write("file.png", 2, { overwrite: true }))).code).toBe("file-exists");
    expect(left()).toEqual(["empty", "file.png", "pictures"]);
  });

  it("when the folder of the output is missing, is a file, or may not be written", async () => {
    const missing = await failureOf(write("missing/clip.mp4"));
    expect(missing.code).toBe("file-write");
    expect(missing.message).toContain('missing" does not exist; create it first');
    expect((await failureOf(write("missing/pictures/"))).code).toBe("file-write");
    folder.file("file", "x");
    expect((await failureOf(write("file/clip.mp4"))).code).toBe("file-write");
    mkdirSync(folder.at("taken.mp4"));
    expect((await failureOf(write("taken.mp4", 2, { overwrite: true }))).message).toContain("it is a folder");
    expect(
      (await failureOf(writeVideo("/dev/full", frames(2), { fps: 5, format: "mp4", overwrite: true }))).message,
    ).toContain("not an ordinary file");
    expect(left()).toEqual(["file", "taken.mp4"]);
  });

  it.each(["clip.mp4", "clip.webm", "clip.gif", "clip.mkv"])("when the disk is full: %s", async (name) => {
    // /dev/full is a disk without space: what ffmpeg writes goes there.
    const full = folder.file(
      "full",
      '#!/bin/sh\nn=$#; for a in "$@"; do n=$((n-1)); if [ $n = 0 ]; then case "$a" in file:*) a=/dev/full;; esac; fi; set -- "$@" "$a"; shift; done; exec ffmpeg "$@"\n',
    );
    chmodSync(full, 0o755);
    const error = await failureOf(write(name, 30, { ffmpeg: full }));
    expect(error.code).toBe("file-write");
    expect(error.message).toMatch(/^Cannot write ".*clip\.\w+": there is no space left on its disk/);
    expect(left()).toEqual(["full"]);
  });

  it.each(["clip.mp4", "clip.gif", "clip.mkv", "pictures/"])(
    "when a file becomes larger than allowed: %s",
    async (name) => {
      // Both ways a limit shows: by a signal, and by an error where the signal is ignored.
      for (const trap of ["", "trap '' XFSZ;"]) {
        const limited = folder.file(`limited${trap.length}`, `#!/bin/sh\n${trap} ulimit -f 1; exec ffmpeg "$@"\n`);
        chmodSync(limited, 0o755);
        const noisy = (function* (): Generator<RgbFrame> {
          for (const frame of frames(40))
            yield { ...frame, data: frame.data.map((value, i) => value ^ ((i * i * 37) & 127)) };
        })();
        const error = await failureOf(writeVideo(folder.at(name), noisy, { fps: 25, ffmpeg: limited }));
        expect(error.code).toBe("file-write");
        expect(error.message).toContain("larger than its file system or a limit allows");
      }
      expect(left()).toEqual(["limited0", "limited13"]);
    },
  );

  it("when the process exits before the end", { timeout: 30_000 }, async () => {
    const script = folder.file(
      "exit.mts",
      `import { writeVideo } from ${JSON.stringify(new URL("write-video.ts", import.meta.url).href)};
       const frame = { width: 64, height: 48, data: new Uint8Array(64 * 48 * 3), timestampSeconds: 0 };
       await writeVideo(${JSON.stringify(folder.at("clip.mp4"))}, (function* () { for (let i = 0; i < 90; i++) { if (i === 60) process.exit(3); yield frame; } })(), { fps: 25 });`,
    );
    const args = ["--conditions=@coordtok/source", "--import", import.meta.resolve("tsx"), script];
    expect(() => execFileSync(process.execPath, args)).toThrow(expect.objectContaining({ status: 3 }));
    expect(left()).toEqual(["exit.mts"]);
    expect(existsSync(folder.at("clip.mp4"))).toBe(false);
  });

  it("for an extension, a format, a quality or a rate that does not exist", async () => {
    expect((await failureOf(write("clip.mpeg"))).message).toContain(".mp4, .webm, .gif or .mkv");
    expect((await failureOf(write("clip"))).code).toBe("input");
    expect((await failureOf(write("clip.mp4", 2, { format: mistyped("avi") }))).code).toBe("config");
    expect((await failureOf(write("clip.mp4", 2, { quality: mistyped("best") }))).code).toBe("config");
    for (const fps of [0, -1, Number.NaN, Infinity])
      expect((await failureOf(write("clip.mp4", 2, { fps }))).code).toBe("config");
    expect(left()).toEqual([]);
  });

  it.each(["with space.mp4", "-dash.mp4", "a:b.mp4", "ünï 動画.gif", "100%d.mkv", "50% %d pictures/"])(
    "and writes to a path called %s",
    async (name) => {
      await write(name, 2);
      expect(left()).toEqual([name.replace("/", "")]);
      expect(existsSync(folder.at(name))).toBe(true);
    },
  );

  it("and writes another format than the extension says", async () => {
    await write("clip.bin", 2, { format: "gif" });
    expect((await probe(folder.at("clip.bin"))).codec).toBe("gif");
    expect(left()).toEqual(["clip.bin"]);
  });
});

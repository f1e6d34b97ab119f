/** @module-tag ffmpeg */
import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { probe } from "./probe.js";
import { readClip, type ReadClip } from "./read-clip.js";
import { readFrames } from "./read-frames.js";
import {
  failureOf,
  firstPart,
  makeClipFolder,
  patched,
  turnedClockwise,
  withClaimedFrames,
  type ClipFolder,
} from "./testdata/make-clips.js";

let folder: ClipFolder;
/** 60 frames each, of noise, so that half a file holds about half the frames. */
const noise = "testsrc2=s=64x48:r=25,noise=alls=60:allf=t:all_seed=7";

beforeAll(() => {
  folder = makeClipFolder();
  folder.picture("whole.mp4", "-frames:v 60", noise);
  folder.make("-i whole.mp4 -c copy -movflags +faststart", "faststart.mp4");
  folder.picture("whole.avi", "-c:v mpeg4 -frames:v 60", noise);
  folder.picture("whole.webm", "-c:v libvpx -frames:v 60", noise);
  execFileSync("mkfifo", [folder.at("pipe.mp4")]);
  chmodSync(folder.path, 0o755);
});

afterAll(() => {
  folder.remove();
});

const size = { width: 16, height: 16 };

describe.each([
  ["with ffprobe", undefined],
  ["without ffprobe", false],
] as const)("reading %s", (_, ffprobe) => {
  const read = (path: string, strict = false): Promise<ReadClip> => readClip(path, { size, ffprobe, strict });

  async function refuses(path: string, code: string, message: RegExp): Promise<void> {
    for (const run of [() => read(path), () => probe(path, { ffprobe })]) {
      const error = await failureOf(run());
      expect(error.message).toMatch(message);
      expect(error.message).toContain(path);
      expect(error.code).toBe(code);
    }
  }

  it("a missing file is not found", async () => {
    await refuses(folder.at("missing.mp4"), "file-not-found", /^There is no file/);
    await refuses(folder.at("whole.mp4/inside.mp4"), "file-not-found", /^There is no file/);
  });

  it("a folder is not a video file", async () => {
    await refuses(folder.path, "file-read", /^Expected a video file, but .* is a folder/);
  });

  it("a device is not a video file", async () => {
    await refuses("/dev/null", "file-read", /not an ordinary file/);
  });

  it("an empty file is reported as empty", async () => {
    await refuses(folder.file("empty.mp4", ""), "not-a-video", /is empty \(0 bytes\)/);
  });

  it("a text file is not a video, whatever its extension", { timeout: 30_000 }, async () => {
    const text = "This is a letter and not a film.\n".repeat(40);
    for (const name of ["letter.mp4", "letter.txt", "letter.nfo", "letter"])
      await refuses(folder.file(name, text), "not-a-video", /is not a video file that ffmpeg knows/);
  });

  it.each([
    ["an HLS playlist", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nwhole.mp4\n#EXT-X-ENDLIST\n"],
    ["an HLS playlist", "\ufeff\r\n#EXTM3U\nwhole.mp4\n"],
    [
      "a DASH manifest",
      '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>whole.mp4</BaseURL></MPD>',
    ],
    ["an ffconcat list", "ffconcat version 1.0\nfile whole.mp4\n"],
    ["an ffconcat list", "file 'whole.mp4'\n"],
    ["a session description", "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"],
    ["a playlist", "[playlist]\nFile1=whole.mp4\n"],
    ["a playlist", "https://localhost:9/film.mp4\n"],
    ["a playlist", '<asx version="3.0"><entry><ref href="whole.mp4"/></entry></asx>'],
  ])("%s is refused by its name, whatever the file is called", async (kind, text) => {
    for (const name of ["clip.mp4", "list.m3u8", "list.mpd", "clip"])
      await refuses(folder.file(name, text), "not-a-video", new RegExp(`is ${kind}.*names other files`));
  });

  it("a playlist behind bytes that are no text is still not followed", async () => {
    const list = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nwhole.mp4\n#EXT-X-ENDLIST\n";
    for (const text of [
      `${list}\0`,
      `ffconcat version 1.0\nfile whole.mp4\n#\0`,
      `\x01<MPD profiles="urn:mpeg:dash:profile:isoff-live:2011">`,
    ]) {
      const error = await failureOf(read(folder.file("hidden.mp4", text)));
      expect(error.code).toBe("not-a-video");
      expect(error.message).toMatch(/is not a video file that ffmpeg knows/);
    }
  });

  it("a picture whose name is a pattern stands for itself alone", async () => {
    for (const [name, colour] of [
      ["1.jpg", "red"],
      ["%d.jpg", "blue"],
    ])
      folder.make(`-f lavfi -i color=${colour!}:s=16x16 -frames:v 1 -update 1`, name!);
    const { clip } = await readClip(folder.at("%d.jpg"), { ffprobe });
    expect([clip.frameCount, clip.data[0]! < 100, clip.data[2]! > 150]).toEqual([1, true, true]);
  });

  it("frames of more pixels than allowed are refused before they are decoded, and read when allowed", async () => {
    const head = Buffer.from(
      "GIF89a\0\0\0\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;",
      "latin1",
    );
    head.writeUInt16LE(16_000, 6);
    head.writeUInt16LE(16_000, 8);
    const large = folder.file("large.gif", head);
    await refuses(large, "unsupported", /has frames of 16000x16000, more than the 67 108 864 pixels/);
    const small = folder.at("whole.mp4");
    const limited = { ffprobe, maxPixels: 64 * 48 - 1 };
    for (const run of [probe, readClip])
      expect((await failureOf(run(small, limited))).options).toEqual({ maxPixels: 64 * 48 });
    expect((await readClip(small, { ...limited, maxPixels: 64 * 48, length: 2 })).clip.frameCount).toBe(2);
    expect((await failureOf(probe(small, { ffprobe, maxPixels: 0 }))).code).toBe("config");
  });

  it("texts of the file change neither its times nor its frames nor its facts, however long they are", async () => {
    const imitated = [
      "frame:0 pts:0 pts_time:777",
      "[Parsed_metadata_1 @ 0x5] [info] frame:0    pts:0       pts_time:777",
      "  Stream #0:0: Video: h264, yuv420p, 4000x4000, 1 fps, 1 tbr",
      "[info] Stream mapping:",
    ].join("\n");
    const tags = [`title=${imitated}`, `comment=${"x".repeat(100_000)}`, `Duration: 99:00:00.00=${imitated}`];
    const path = folder.at("told.mkv");
    const [program, ...args] = ["ffmpeg", "-v", "error", "-y", "-i", folder.at("whole.mp4"), "-map", "0", "-c", "copy"];
    execFileSync(program, [...args, ...tags.flatMap((tag) => ["-metadata", tag]), path]);
    const result = await read(path);
    expect(result.info).toMatchObject({ width: 64, height: 48, warnings: [] });
    expect(result).toMatchObject({ clip: { frameCount: 60 }, warnings: [] });
    expect(result.timestampsSeconds[0]).toBeLessThan(0.1);
    expect(result.timestampsSeconds[59]).toBeCloseTo(59 / 25, 1);
  });

  it("a title of 9 MB is no matter", async () => {
    const title = Buffer.alloc(9_000_000, "a");
    const box = (kind: string, body: Buffer): Buffer => {
      const head = Buffer.alloc(8, kind.padStart(8, "\0"), "latin1");
      head.writeUInt32BE(body.length + 8, 0);
      return Buffer.concat([head, body]);
    };
    const data = box("data", Buffer.concat([Buffer.from([0, 0, 0, 1, 0, 0, 0, 0]), title]));
    const handler = box("hdlr", Buffer.from("\0\0\0\0\0\0\0\0mdirappl\0\0\0\0\0\0\0\0\0", "latin1"));
    const meta = box("meta", Buffer.concat([Buffer.alloc(4), handler, box("ilst", box("\xa9nam", data))]));
    const film = readFileSync(folder.at("whole.mp4"));
    // Behind everything else, so that no offset of the film changes: a second moov would be another film, so it is in udta of this one.
    const moov = film.indexOf("moov", 0, "latin1") - 4;
    const grown = Buffer.from(film);
    const udta = box("udta", meta);
    expect(moov + film.readUInt32BE(moov)).toBe(film.length);
    grown.writeUInt32BE(film.readUInt32BE(moov) + udta.length, moov);
    const path = folder.file("title.mp4", Buffer.concat([grown, udta]));
    expect(await read(path)).toMatchObject({ clip: { frameCount: 60 }, warnings: [] });
  });

  it("a URL must be downloaded first", async () => {
    await refuses("https://localhost/film.mp4", "input", /download it first/);
  });

  it("audio has no video track, with or without a cover picture", { timeout: 30_000 }, async () => {
    folder.picture("cover.png", "-frames:v 1", "testsrc2=s=200x200:r=25");
    await refuses(folder.make("-f lavfi -i sine=d=1 -c:a aac", "audio.m4a"), "not-a-video", /has no video track/);
    const withCover = "-f lavfi -i sine=d=1 -i cover.png -map 0 -map 1 -c:a aac -c:v png -disposition:v attached_pic";
    await refuses(folder.make(withCover, "cover.m4a"), "not-a-video", /has no video track/);
  });

  it("an mp4 truncated before its index is incomplete", async () => {
    const path = folder.file("cut.mp4", firstPart(folder.at("whole.mp4"), 0.6));
    await refuses(path, "file-format", /is not a complete video file: .*\(moov\) is missing/);
  });

  it("an mp4 with invalid tables is damaged", async () => {
    const path = folder.file("tables.mp4", patched(folder.at("whole.mp4"), "stsz", 8, [2 ** 28], "big"));
    await refuses(path, "file-format", /is a damaged mp4 file: error reading header\.$/);
  });

  it.each([
    ["mp4 with its index in front", "faststart.mp4", 0.6],
    ["webm", "whole.webm", 0.5],
    ["avi", "whole.avi", 0.5],
  ])("a truncated %s gives its intact frames and a warning, and fails if strict", async (_kind, name, share) => {
    const path = folder.file(`truncated-${name}`, firstPart(folder.at(name), share));
    const { clip, info, warnings } = await read(path);
    expect(clip.frameCount).toBeGreaterThan(5);
    expect(clip.frameCount).toBeLessThan(55);
    const count = String(clip.frameCount);
    const told = info.frameCount === 60 ? `${count} of 60 frames decoded: ` : `${count} frames decoded with errors: `;
    expect(warnings).toEqual([expect.stringContaining(told)]);
    expect(warnings[0]).not.toMatch(/ @ 0x|\[error\]/);
    const error = await failureOf(read(path, true));
    expect(error.code).toBe("file-format");
    expect(error.message).toContain(`is damaged: ${told}`);
    expect(error.details.length).toBeGreaterThan(0);
    // The requested frames exist, so there is no warning.
    expect((await readClip(path, { size, ffprobe, length: 3, strict: true })).clip.frameCount).toBe(3);
  });

  it("damage in the middle gives a warning, and fails if strict", async () => {
    const bytes = readFileSync(folder.at("whole.avi"));
    const middle = Math.floor(bytes.length / 2);
    for (let i = 0; i < 400; i++) bytes[middle + i] = (i * 37) % 256;
    const path = folder.file("middle.avi", bytes);
    const { clip, warnings } = await read(path);
    expect(clip.frameCount).toBeGreaterThan(50);
    expect(warnings).toEqual([expect.stringMatching(/^\d+ (of 60 )?frames decoded( with errors)?: \S/)]);
    expect((await failureOf(read(path, true))).code).toBe("file-format");
  });

  it("a header that claims far too many frames is ignored", async () => {
    const path = folder.file("endless.avi", withClaimedFrames(folder.at("whole.avi"), 2 ** 31 - 1));
    const { clip, warnings } = await readClip(path, { size, ffprobe, length: 60 });
    expect(clip.frameCount).toBe(60);
    expect(warnings).toEqual([expect.stringContaining("claims 2147483647 frames")]);
  });

  it("a single frame is read, with a warning that it is the only one", async () => {
    const path = folder.picture("one.mp4", "-frames:v 1");
    expect(await read(path)).toMatchObject({ clip: { frameCount: 1 }, warnings: ["it has only 1 frame"] });
    folder.picture("picture.png", "-frames:v 1");
    const renamed = folder.file("picture.mp4", readFileSync(folder.at("picture.png")));
    const { clip, warnings } = await read(renamed);
    expect(clip.frameCount).toBe(1);
    expect(warnings).toEqual(["it is a still picture, with only 1 frame"]);
  });

  it("fewer frames than requested cause a warning with the padding", async () => {
    const result = await readClip(folder.at("whole.mp4"), { size, ffprobe, length: 64, start: 10 });
    expect(result).toMatchObject({ clip: { frameCount: 50 }, padding: 14 });
    expect(result.warnings).toEqual(["only 50 of 64 requested frames; the other 14 are padding"]);
    const told: string[] = [];
    for await (const frame of readFrames(
      folder.at("whole.mp4"),
      { length: 64 },
      { ffprobe, onWarning: (text) => told.push(text) },
    ))
      expect(frame.width).toBe(64);
    expect(told).toEqual(["only 60 of 64 requested frames; the file ends there"]);
  });

  it("a start beyond the end is refused", async () => {
    const error = await failureOf(readClip(folder.at("whole.mp4"), { start: 60, ffprobe }));
    expect(error.code).toBe("input");
    expect(error.message).toMatch(/below the 60 frames of .*whole.mp4", got 60/);
  });

  it.each([
    "with space.avi",
    "-dash.avi",
    "a:b.avi",
    "http:x.avi",
    "ünï çødé 動画.avi",
    "100%d'\"$(x);&.avi",
    "%03d.avi",
  ])("a path called %s is read like any other", async (name) => {
    const path = folder.file(name, readFileSync(folder.at("whole.avi")));
    expect(await read(path)).toMatchObject({ clip: { frameCount: 60 }, warnings: [] });
  });

  it("a relative path is read, even one with a leading dash or a colon", async () => {
    const before = process.cwd();
    process.chdir(folder.path);
    try {
      for (const name of ["-dash.avi", "a:b.avi"]) {
        folder.file(name, readFileSync(folder.at("whole.avi")));
        expect((await read(name)).clip.frameCount).toBe(60);
      }
    } finally {
      process.chdir(before);
    }
  });

  it("a file without permission to read is refused", async () => {
    const path = folder.file("secret.mp4", readFileSync(folder.at("whole.mp4")));
    chmodSync(path, 0o000);
    await asOrdinaryUser(() => refuses(path, "file-read", /^Cannot read .*: you have no permission to read it\.$/));
  });

  it("a file that the kernel generates is refused before it is opened", async () => {
    await refuses("/proc/self/pagemap", "file-read", /is a file that the kernel generates/);
  });

  it("a pipe is refused before it is opened", async () => {
    await refuses(folder.at("pipe.mp4"), "file-read", /is a pipe, not an ordinary file/);
  });
});

it("a header that claims a wrong number of frames causes a warning after decoding", { timeout: 30_000 }, async () => {
  const more = folder.file("more.avi", withClaimedFrames(folder.at("whole.avi"), 120));
  expect((await readClip(more, { size })).warnings).toEqual(["60 of 120 frames decoded"]);
  expect((await failureOf(readClip(more, { size, strict: true }))).message).toContain("60 of 120 frames decoded");
  const fewer = folder.file("fewer.avi", withClaimedFrames(folder.at("whole.avi"), 10));
  const { clip, warnings } = await readClip(fewer, { size, length: 60 });
  expect(clip.frameCount).toBe(60);
  expect(warnings).toEqual([]);
  expect((await readClip(fewer, { size })).warnings).toEqual(["the header states 10 frames, but 60 were decoded"]);
});

it("an intact mp4 that was cut by an edit list is not damaged", async () => {
  folder.make("-ss 0.5 -i whole.mp4 -c copy", "cut.mp4");
  const { clip, info, warnings } = await readClip(folder.at("cut.mp4"), { size, strict: true });
  expect(clip.frameCount).toBeLessThan(50);
  expect(warnings).toEqual([]);
  expect(Math.abs(info.frameCount! - clip.frameCount)).toBeLessThanOrEqual(1);
  expect(info.frameCountFrom).toBe("duration");
});

it("a header that counts one packet too many does not count as damage", async () => {
  const path = folder.file("packet.avi", withClaimedFrames(folder.at("whole.avi"), 61));
  expect(await readClip(path, { size, strict: true })).toMatchObject({ clip: { frameCount: 60 }, warnings: [] });
});

it("a truncated rotated video is still rotated", async () => {
  const turned = folder.file("turned.mp4", turnedClockwise(folder.at("faststart.mp4"), 48));
  const path = folder.file("turned-cut.mp4", firstPart(turned, 0.6));
  expect((await readClip(path)).clip).toMatchObject({ width: 48, height: 64 });
});

it("an ffmpeg that dies in the middle is an error and not a short clip", { timeout: 60_000 }, async () => {
  await mkdir(folder.at("bin"));
  const wrapper = folder.file(
    "bin/ffmpeg",
    '#!/bin/sh\ncase "$*" in *image2pipe*) ffmpeg "$@" & sleep 0.3; kill -9 $!; kill -9 $$;; *) exec ffmpeg "$@";; esac\n',
  );
  chmodSync(wrapper, 0o755);
  const path = folder.picture("long.mkv", "-frames:v 4000 -c:v mpeg4", "testsrc2=s=320x240:r=50");
  const error = await failureOf(readClip(path, { ffmpeg: wrapper }));
  expect(error.code).toBe("ffmpeg");
  expect(error.message).toMatch(/was ended by SIGKILL after \d+ frames/);
});

/** Root may read everything, so it steps down for the time of a call. */
async function asOrdinaryUser(run: () => Promise<void>): Promise<void> {
  if (process.geteuid!() !== 0) return run();
  process.seteuid!(65534);
  try {
    await run();
  } finally {
    process.seteuid!(0);
  }
}

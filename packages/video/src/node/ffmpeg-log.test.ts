import { afterEach, describe, expect, it, vi } from "vitest";
import { FfmpegLog, plainLine } from "./ffmpeg-log.js";

afterEach(() => {
  vi.useRealTimers();
});

const frame = (number: number, time: string): string =>
  `[Parsed_metadata_1 @ 0x56263d84c680] [info] frame:${number}    pts:90000   pts_time:${time}`;

describe("FfmpegLog", () => {
  it("counts frames and keeps the times that will be requested", async () => {
    const log = new FfmpegLog((index) => index !== 1);
    [frame(0, "0"), frame(1, "0.04"), "[info]   Stream #0:0: Video: ppm", frame(2, "0.08"), frame(3, "NOPTS")].forEach(
      log.take,
    );
    log.end();
    expect(log.decoded).toBe(4);
    expect(await log.timeOf(0)).toBe(0);
    expect(await log.timeOf(1)).toBeUndefined();
    expect(await log.timeOf(2)).toBe(0.08);
    expect(await log.timeOf(3)).toBeUndefined();
    expect(log.problems).toEqual([]);
  });

  it("reads the lines of showinfo, and frames whose line begins behind another", async () => {
    const log = new FfmpegLog(() => true);
    log.take("[info]     title           : frame:0 pts:0 pts_time:777");
    log.take("                    : frame:1 pts:0 pts_time:777");
    log.take("[info] Stream mapping:");
    log.take("[Parsed_showinfo_0 @ 0x1ca0e240] [info] n:   0 pts:      0 pts_time:0       pos:     5756 fmt:yuv420p");
    log.take("[info]   Stream #0:0: Videoframe:1    pts:1   pts_time:0.5");
    log.end();
    expect([await log.timeOf(0), await log.timeOf(1)]).toEqual([0, 0.5]);
  });

  it("collects errors without names and addresses, up to a limit", () => {
    const log = new FfmpegLog(() => true);
    log.take("[h264 @ 0x55d0c8f0a2c0] [error] Invalid NAL unit size (1031 > 837).");
    log.take("[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] [error] Decoding error: Invalid data");
    log.take("[error] file:x: Invalid data found");
    log.take("[swscaler @ 0x1] [warning] deprecated pixel format used");
    expect(log.problems).toEqual([
      "Invalid NAL unit size (1031 > 837).",
      "Decoding error: Invalid data",
      "file:x: Invalid data found",
    ]);
    for (let i = 0; i < 100; i++) log.take(`[mpeg4 @ 0x1] [error] Error at MB: ${i}`);
    expect(log.problems).toHaveLength(20);
  });

  it("notices that ffmpeg counts from 0 again and goes on counting", async () => {
    const log = new FfmpegLog(() => true);
    [frame(0, "0"), frame(1, "1"), frame(0, "2")].forEach(log.take);
    expect(log).toMatchObject({ decoded: 3, changes: 1 });
    expect(await log.timeOf(2)).toBe(2);
  });

  it("waits for a line that comes after its frame, until the log ends", async () => {
    const log = new FfmpegLog(() => true);
    const times = [log.timeOf(0), log.timeOf(1)];
    log.take(frame(0, "0.5"));
    log.end();
    expect(await Promise.all(times)).toEqual([0.5, undefined]);
  });

  it("waits once only when no lines come at all", async () => {
    vi.useFakeTimers();
    const log = new FfmpegLog(() => true);
    const first = log.timeOf(0);
    await vi.advanceTimersByTimeAsync(6000);
    expect(await first).toBeUndefined();
    expect(await log.timeOf(1)).toBeUndefined();
  });
});

describe("plainLine", () => {
  it("strips what only developers of ffmpeg need", () => {
    expect(plainLine("[mov,mp4,m4a @ 0x55] [error] moov atom not found")).toBe("moov atom not found");
    expect(plainLine("[mov,mp4,m4a @ 0x55] moov atom not found")).toBe("moov atom not found");
    expect(plainLine("[error] [1] of 2")).toBe("[1] of 2");
  });
});

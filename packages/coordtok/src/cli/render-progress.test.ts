import { describe, expect, it } from "vitest";
import { createProgressRenderer } from "./render-progress.js";

function recorder(isTTY: boolean): { isTTY: boolean; columns: number; output: string; write: (text: string) => void } {
  return {
    isTTY,
    columns: 100,
    output: "",
    write(text) {
      this.output += text;
    },
  };
}

describe("progress", () => {
  it("on a terminal is one line with bar, rate and time left, drawn at most ten times a second", () => {
    const stream = recorder(true);
    let clock = 0;
    const { onProgress } = createProgressRenderer({ stream, now: () => clock });
    for (let done = 0; done <= 100; done++, clock += 10)
      onProgress({ task: "decode", done, total: 200, unit: "patches" });
    const draws = stream.output.split("\r").length - 1;
    expect(draws).toBe(11);
    expect(stream.output).toContain("[============            ]");
    expect(stream.output).toContain("100/200 patches  100/s  1.0 s left");
    expect(stream.output).not.toContain("\n");
  });

  it.each([
    [75, /^Train {2}\[={4} {4}\] {3}50 % {2}100\/200 steps {2}2\.0\/s {2}50 s left {2}loss 0\.1234$/],
    [60, /^Train {2}50 % {2}100\/200 steps {2}2\.0\/s {2}50 s left {2}loss 0\.1234$/],
    [50, /^Train {2}50 % {2}100\/200 steps {2}2\.0\/s {2}50 s left$/],
    [32, /^Train {2}50 % {2}2\.0\/s {2}50 s left$/],
  ])("at %i columns keeps rate and time left, and gives up the bar first", (columns, line) => {
    const stream = Object.assign(recorder(true), { columns });
    let clock = 0;
    const { onProgress } = createProgressRenderer({ stream, now: () => clock });
    onProgress({ task: "train", done: 0, total: 200, unit: "steps", detail: "loss 0.1234" });
    clock = 50_000;
    onProgress({ task: "train", done: 100, total: 200, unit: "steps", detail: "loss 0.1234" });
    const drawn = stream.output.split("\r").at(-1)!.replace("\u001B[K", "");
    expect(drawn.length).toBeLessThan(columns);
    expect(drawn).toMatch(line);
  });

  it("ends a task with its whole time and a new line", () => {
    const stream = recorder(true);
    let clock = 0;
    const { onProgress } = createProgressRenderer({ stream, now: () => clock });
    onProgress({ task: "train", done: 0, total: 2, unit: "steps" });
    clock = 4000;
    onProgress({ task: "train", done: 2, total: 2, unit: "steps", detail: "loss 0.1" });
    expect(stream.output).toMatch(/100 % {2}2\/2 steps {2}2\.0 s each {2}in 4\.0 s {2}loss 0\.1.*\n$|0\.5\/s.*\n$/);
    expect(stream.output.endsWith("\n")).toBe(true);
  });

  it("without a terminal is a plain line every five seconds and one at the end", () => {
    const stream = recorder(false);
    let clock = 0;
    const { onProgress } = createProgressRenderer({ stream, now: () => clock });
    for (let done = 0; done <= 12; done++, clock += 1000) onProgress({ task: "train", done, total: 12, unit: "steps" });
    const lines = stream.output.trim().split("\n");
    expect(lines.map((line) => /(\d+)\/12/.exec(line)?.[1])).toEqual(["5", "10", "12"]);
    expect(stream.output).not.toContain("\r");
  });

  it("formats bytes with units and does not guess an unknown total", () => {
    const stream = recorder(false);
    let clock = 0;
    const { onProgress, finish } = createProgressRenderer({ stream, now: () => clock });
    onProgress({ task: "download", done: 0, unit: "bytes" });
    clock = 2000;
    onProgress({ task: "download", done: 3_000_000, unit: "bytes" });
    finish();
    expect(stream.output).toBe("Download  3.0 MB  1.5 MB/s\n");
  });

  it("prints nothing when quiet", () => {
    const stream = recorder(true);
    const { onProgress, finish } = createProgressRenderer({ stream, quiet: true });
    onProgress({ task: "train", done: 1, total: 2, unit: "steps" });
    finish();
    expect(stream.output).toBe("");
  });
});

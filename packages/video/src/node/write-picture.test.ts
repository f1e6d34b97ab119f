import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RgbFrame } from "@coordtok/core";
import { PNG } from "pngjs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeVideo } from "./write-video.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-picture-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const frame: RgbFrame = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 250, 251, 252), timestampSeconds: 0 };

it("one frame that is said to be the only one is written into a file, without ffmpeg", async () => {
  const path = join(folder, "one.png");
  const write = (name: string, frames: readonly RgbFrame[]): ReturnType<typeof writeVideo> =>
    writeVideo(join(folder, name), frames, { fps: 25, frameCount: 1, ffmpeg: "/nowhere/ffmpeg" });
  expect(await write("one.png", [frame])).toMatchObject({ path, format: "png", encoder: "png", frameCount: 1 });
  expect([...PNG.sync.read(readFileSync(path)).data]).toEqual([1, 2, 3, 255, 250, 251, 252, 255]);
  await expect(write("one.png", [frame])).rejects.toMatchObject({ code: "file-exists" });
  await expect(write("two.png", [frame, frame])).rejects.toMatchObject({
    code: "input",
    message: expect.stringMatching(/^Expected one frame for ".*two\.png", got more\.$/) as string,
  });
  await expect(write("none.png", [])).rejects.toMatchObject({ code: "input" });
  expect(readdirSync(folder)).toEqual(["one.png"]);
});

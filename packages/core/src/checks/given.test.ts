import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { mistyped } from "@coordtok/tools/mistyped";
import { describe, expect, it } from "vitest";
import { rangeSource } from "../checkpoint/range-source.js";
import { clipFromRgb } from "../clip.js";
import { isCoordTokError } from "../errors.js";
import { checkClip, givenText } from "./given.js";

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (thrown) {
    expect(isCoordTokError(thrown), String(thrown)).toBe(true);
    return (thrown as Error).message;
  }
  throw new Error("nothing was thrown");
}

describe("a value of the wrong kind is one sentence", () => {
  const frame = { data: new Uint8Array(12), frameCount: 1, height: 2, width: 2 };
  it.each<[string, () => unknown, RegExp]>([
    ["no clips", () => clipFromRgb(mistyped(undefined)), /^Expected a list of clips, got undefined/],
    [
      "one clip without brackets",
      () => clipFromRgb(mistyped(frame)),
      /list of clips, got an object with data.*brackets/,
    ],
    ["a list of nothing", () => clipFromRgb([mistyped(undefined)]), /^Expected a clip \{ data, .*got undefined\.$/],
    ["a clip without a size", () => clipFromRgb([mistyped({ data: frame.data })]), /got an object with data\.$/],
    [
      "a path",
      () => rangeSource(mistyped("a.safetensors")),
      /got the text "a\.safetensors"; open a path with openFileSource/,
    ],
    ["an ArrayBuffer", () => rangeSource(mistyped(new ArrayBuffer(8))), /got an ArrayBuffer/],
    ["nothing as a file", () => rangeSource(mistyped(undefined)), /^Expected a Uint8Array, a Blob or .*got undefined/],
    [
      "a path as a clip",
      () => {
        checkClip(mistyped("clip.mp4"));
      },
      /^Expected a clip, .*got the text "clip\.mp4"\.$/,
    ],
  ])("%s", (_title, work, message) => {
    expect(messageOf(work)).toMatch(message);
  });

  it("values are named as people call them", () => {
    const values = [null, 3, [], [1], {}, { a: 1 }, new Map(), new Uint8Array(1), () => 1];
    expect(values.map(givenText)).toEqual([
      "null",
      "the number 3",
      "an empty list",
      "a list",
      "an empty object",
      "an object with a",
      "a Map",
      "a Uint8Array",
      "a function",
    ]);
  });
});

it("a forgotten loadBackend is one sentence that names it", { timeout: 60_000 }, () => {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const index = JSON.stringify(new URL("../index.ts", import.meta.url).href);
  const code = `const { clipFromRgb } = await import(${index});
    try { clipFromRgb([{ data: new Uint8Array(12), frameCount: 1, height: 2, width: 2 }]); }
    catch ({ code, message }) { console.log(code, message); }`;
  const args = ["--import", tsx, "--conditions=@coordtok/source", "--input-type=module", "-e", code];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect([stdout, stderr]).toEqual([
    "backend No backend is loaded; await loadBackend() of @coordtok/backend once, before anything computes.\n",
    "",
  ]);
});

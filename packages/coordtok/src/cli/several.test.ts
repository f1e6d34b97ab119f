import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CoordTokError } from "@coordtok/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CommandContext, CommandResult } from "./command.js";
import { areSeveral, runSeveral } from "./several.js";

let folder = "";
const at = (...names: string[]): string => join(folder, ...names);
let worked: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-several-"));
  mkdirSync(at("videos", "sub"), { recursive: true });
  for (const name of ["a.mp4", "b.webm", "sub/a.mp4", "notes.txt", ".hidden.mp4"])
    writeFileSync(at("videos", name), name);
  worked = [];
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const stop = new AbortController();
function run(args: readonly string[], flags: object = {}, checkpoint?: string): Promise<CommandResult> {
  const context = {
    args,
    flags,
    signal: stop.signal,
    onProgress: () => undefined,
    note: () => undefined,
    warn: () => undefined,
  };
  return runSeveral(context as unknown as CommandContext<object>, {
    accepts: /\.(mp4|webm)$/,
    out: at("out"),
    resultOf: (name) => name.replace(/\.\w+$/, ".txt"),
    checkpoint,
    work: async (input, out) => {
      worked.push(input);
      if (readFileSync(input, "utf8") === "bad") throw new CoordTokError("not-a-video", `"${input}" is no video.`);
      writeFileSync(out, `of ${input}`);
      return Promise.resolve({ lines: [], data: { input } });
    },
  });
}

describe("several files", () => {
  it("come from arguments, folders and patterns", async () => {
    expect(await areSeveral([at("videos", "a.mp4")])).toBe(false);
    for (const args of [[at("videos")], [at("videos", "*.mp4")], ["a", "b"]]) expect(await areSeveral(args)).toBe(true);
    expect((await run([at("videos")])).data).toMatchObject({ done: 3, skipped: 0, failed: 0 });
    expect(readdirSync(at("out"), { recursive: true }).sort()).toEqual([
      ".coordtok-results.json",
      "a.txt",
      "b.txt",
      "sub",
      join("sub", "a.txt"),
    ]);
    await run([at("videos", "*.webm"), at("videos", "**", "*.mp4")], { size: 1 });
    expect(new Set(worked.slice(3))).toEqual(
      new Set([at("videos/b.webm"), at("videos/a.mp4"), at("videos/sub/a.mp4")]),
    );
    await expect(run([at("videos", "*.avi")])).rejects.toMatchObject({ code: "file-not-found" });
    await expect(run([at("videos/a.mp4"), at("videos/sub/a.mp4")])).rejects.toThrow(/would both become "a\.txt"/);
  });

  it("are skipped only while source, settings, checkpoint and result are the recorded ones", async () => {
    writeFileSync(at("model"), "one");
    const again = async (flags: object = {}): Promise<string[]> => {
      worked = [];
      await run([at("videos")], flags, at("model"));
      return worked.map((path) => path.slice(at("videos").length + 1));
    };
    expect(await again()).toHaveLength(3);
    expect(await again({ json: true, overwrite: true, quiet: true })).toEqual([]);
    writeFileSync(at("videos/a.mp4"), "another");
    expect(await again()).toEqual(["a.mp4"]);
    writeFileSync(at("out/b.txt"), "changed by hand");
    expect(await again()).toEqual(["b.webm"]);
    expect(await again({ size: 256 })).toHaveLength(3);
    writeFileSync(at("model"), "two");
    expect(await again({ size: 256 })).toHaveLength(3);
  });

  it("that fail are listed, the others are done, and the exit code is 1", async () => {
    writeFileSync(at("videos/a.mp4"), "bad");
    const { lines, data, exitCode } = await run([at("videos"), at("missing.mp4")]);
    expect([exitCode, data]).toMatchObject([1, { done: 2, failed: 2 }]);
    expect(lines.slice(1)).toEqual([
      expect.stringMatching(/^failed: .*a\.mp4: .* is no video\.$/),
      expect.stringMatching(/^failed: .*missing\.mp4: There is no file/),
    ]);
    writeFileSync(at("videos/a.mp4"), "good");
    expect(await run([at("videos")])).toMatchObject({ exitCode: 0, data: { done: 1, skipped: 2 } });
  });

  it("with a damaged record are refused in one sentence", async () => {
    mkdirSync(at("out"));
    writeFileSync(at("out/.coordtok-results.json"), '{"version":1,"results":{"a.txt":{}}}');
    await expect(run([at("videos")])).rejects.toMatchObject({ code: "file-format" });
  });
});

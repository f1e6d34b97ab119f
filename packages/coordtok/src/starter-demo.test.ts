import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { probe, readClip } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli } from "./cli/testdata/run-cli.js";
import { runStarterDemo } from "./starter-demo.js";

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-demo-"));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("the demo without training", () => {
  it("shows the bundled clip with its figures, and replaces its earlier results", { timeout: 240_000 }, async () => {
    const out = join(folder, "shown");
    await runStarterDemo({ out, backend: "wasm" });
    const summary = await runStarterDemo({ out, backend: "wasm" });
    // 4 windows of 16 x 16 + 4 x 16 + 4 x 16 cells with 32 channels.
    expect(summary).toMatchObject({ frames: 64, tokens: 1536, floats: 49_152, bytes: 98_304, pixelsPerFloat: 64 });
    expect(summary.psnrDb).toBeGreaterThan(24.5);
    expect(readdirSync(out).sort()).toEqual([".coordtok.json", "side-by-side.mp4", "side-by-side.png", "summary.json"]);
    const { frameCount } = (await readClip(summary.files.sideBySide)).clip;
    expect(frameCount).toBe(64);
    expect(JSON.parse(readFileSync(summary.files.summary, "utf8"))).toEqual(summary);
  });

  it("writes nothing into a folder that holds something else", async () => {
    const out = join(folder, "mine");
    mkdirSync(out);
    writeFileSync(join(out, "thesis.txt"), "mine");
    await expect(runStarterDemo({ out, backend: "wasm" })).rejects.toMatchObject({ code: "file-exists" });
    expect(readdirSync(out)).toEqual(["thesis.txt"]);
  });

  it(
    "says so when there is no ffmpeg, shows the bundled clip and writes a GIF of all frames",
    { timeout: 240_000 },
    async () => {
      const nothing = join(folder, "nothing");
      // @ffmpeg/core, which the workspace has, is hidden.
      const hide = join(folder, "hide.cjs");
      writeFileSync(
        hide,
        `const Module = require("node:module"); const resolve = Module._resolveFilename;
      Module._resolveFilename = (name, ...rest) => { if (name === "@ffmpeg/core") throw new Error("hidden"); return resolve(name, ...rest); };`,
      );
      const env = {
        NODE_OPTIONS: `--require=${hide}`,
        PATH: nothing,
        COORDTOK_CACHE: nothing,
        FFMPEG_PATH: undefined,
        FFMPEG_BIN: undefined,
      };
      const args = ["demo", "film.mp4", "--out", "bare", "--backend", "wasm"];
      const { code, stderr, stdout } = await runCli(args, { cwd: folder, env });
      expect([code, stderr]).toEqual([
        0,
        expect.stringContaining('There is no ffmpeg here: "film.mp4" cannot be read'),
      ]);
      expect(stdout).toContain("bee.mp4");
      expect(readdirSync(join(folder, "bare")).sort()).toEqual([
        ".coordtok.json",
        "side-by-side.gif",
        "side-by-side.png",
        "summary.json",
      ]);
      const info = await probe(join(folder, "bare", "side-by-side.gif"));
      expect(info).toMatchObject({ codec: "gif", frameCount: 64 });
    },
  );
});

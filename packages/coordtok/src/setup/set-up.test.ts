import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CoordTokError } from "@coordtok/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runCli } from "../cli/testdata/run-cli.js";
import { ensureFfmpeg, ensureFfmpegBy, setUp } from "./set-up.js";

it("an unknown option of ensureFfmpeg is refused", async () => {
  await expect(ensureFfmpeg({ ffmpg: "x" } as object)).rejects.toThrow(/Unknown option "ffmpg" of ensureFfmpeg/);
});

it("an unknown option of setUp is refused before any search, naming the nearest one", async () => {
  await expect(setUp({ wheels: ["a.whl"] } as object)).rejects.toMatchObject({
    code: "config",
    message: expect.stringMatching(/Unknown option "wheels".*"wheel"/) as string,
  });
});

/** An ffmpeg that only says its version. */
function putFfmpeg(path: string): void {
  writeFileSync(
    path,
    '#!/bin/sh\necho "ffmpeg version 7.1 Copyright"\necho "libavutil      59. 39.100 / 59. 39.100"\n',
  );
  chmodSync(path, 0o755);
}

const notThere = new CoordTokError("setup", "Python 3 with pip is needed.");

describe("ensureFfmpeg", { timeout: 300_000 }, () => {
  let folder = "";
  let programs = "";
  const variables = { FFMPEG_PATH: "", FFMPEG_BIN: "", FFPROBE_PATH: "" };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "coordtok-ensure-"));
    programs = join(folder, "bin");
    mkdirSync(programs);
    for (const [name, value] of Object.entries({ ...variables, PATH: programs, COORDTOK_CACHE: join(folder, "cache") }))
      vi.stubEnv(name, value);
  });

  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });

  it("takes an installed one without fetching", async () => {
    const path = join(programs, "ffmpeg");
    putFfmpeg(path);
    const setup = vi.fn();
    expect(await ensureFfmpegBy(setup, {})).toMatchObject({ path, source: "PATH", version: "7.1" });
    expect(setup).not.toHaveBeenCalled();
  });

  it("fetches one before it takes that of WebAssembly, and then finds it", async () => {
    const path = join(programs, "ffmpeg");
    const setup = vi.fn(async () => putFfmpeg(path));
    expect(await ensureFfmpegBy(setup, {})).toMatchObject({ path, version: "7.1" });
    expect(setup).toHaveBeenCalledOnce();
  });

  it("takes that of WebAssembly where none can be fetched, and says why", async () => {
    const warnings: string[] = [];
    // No Python is on PATH, so this is the setup that users have.
    const found = await ensureFfmpeg({ onWarning: (text) => warnings.push(text) });
    expect(found).toMatchObject({ source: "@ffmpeg/core" });
    expect(warnings).toEqual([
      expect.stringMatching(
        /ffmpeg cannot be fetched: Setup needs Python 3 with pip.*@ffmpeg\/core, .* takes its place\.$/,
      ),
    ]);
    const setup = vi.fn();
    expect(await ensureFfmpegBy(setup, { fetch: false })).toMatchObject({ source: "@ffmpeg/core" });
    expect(setup).not.toHaveBeenCalled();
  });

  it("throws for a program that was named and cannot be used, without fetching", async () => {
    const setup = vi.fn(() => Promise.reject(notThere));
    const gone = join(folder, "gone");
    await expect(ensureFfmpegBy(setup, { ffmpeg: gone })).rejects.toMatchObject({ code: "ffmpeg" });
    vi.stubEnv("FFMPEG_PATH", gone);
    await expect(ensureFfmpegBy(setup, {})).rejects.toMatchObject({ code: "ffmpeg" });
    expect(setup).not.toHaveBeenCalled();
  });

  it("ends when it is stopped while fetching", async () => {
    const setup = (): Promise<never> => Promise.reject(new CoordTokError("aborted", "Stopped."));
    await expect(ensureFfmpegBy(setup, {})).rejects.toMatchObject({ code: "aborted" });
  });

  it("gives nothing where there is none, and the demo with --train then shows the starter", async () => {
    // @ffmpeg/core, which the workspace has, is not found.
    const hide = join(folder, "hide.cjs");
    writeFileSync(
      hide,
      `const Module = require("node:module"); const resolve = Module._resolveFilename;
      Module._resolveFilename = (name, ...rest) => { if (name === "@ffmpeg/core") throw new Error("hidden"); return resolve(name, ...rest); };`,
    );
    const args = ["demo", "--train", "--out", "bare", "--backend", "wasm"];
    const { code, stderr, stdout } = await runCli(args, { cwd: folder, env: { NODE_OPTIONS: `--require=${hide}` } });
    expect([code, stderr]).toEqual([0, expect.stringContaining("so the starter is shown instead")]);
    expect(stderr).toMatch(/ffmpeg cannot be fetched: Setup needs Python 3 with pip/);
    expect(stdout).toContain("side-by-side.gif");
  });
});

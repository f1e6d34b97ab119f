import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { delimiter } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { describeFfmpeg, findFfmpeg } from "./find-ffmpeg.js";
import { failureOf, makeClipFolder, type ClipFolder } from "./testdata/make-clips.js";

let folder: ClipFolder;
let real = "";

beforeAll(async () => {
  folder = makeClipFolder();
  real = (await findFfmpeg()).path;
});

afterAll(() => {
  folder.remove();
});

/** A program that answers `-version` and nothing else. */
function program(name: string, answer: string): string {
  const path = folder.file(name, `#!/bin/sh\n${answer}\n`);
  chmodSync(path, 0o755);
  return path;
}

async function withEnvironment<T>(values: Record<string, string>, run: () => Promise<T>): Promise<T> {
  for (const name of ["FFMPEG_PATH", "FFMPEG_BIN", "FFPROBE_PATH"]) vi.stubEnv(name, undefined);
  for (const [name, value] of Object.entries(values)) vi.stubEnv(name, value);
  try {
    return await run();
  } finally {
    vi.unstubAllEnvs();
  }
}

const version = (name: string, text: string, libavutil: string): string =>
  `printf 'ffmpeg version ${text} Copyright\\nlibavutil      ${libavutil}.100\\n'; # ${name}`;

describe("findFfmpeg", () => {
  it("takes the option before FFMPEG_PATH before FFMPEG_BIN before PATH", async () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => program(name, version(name, `7.${name}`, "59. 8")));
    const environment = { FFMPEG_PATH: b!, FFMPEG_BIN: c! };
    await withEnvironment(environment, async () => {
      expect(await findFfmpeg({ ffmpeg: a })).toMatchObject({ path: a, source: "option", version: "7.a" });
      expect(await findFfmpeg()).toMatchObject({ path: b, source: "FFMPEG_PATH" });
    });
    await withEnvironment({ FFMPEG_BIN: c! }, async () => {
      expect(await findFfmpeg()).toMatchObject({ path: c, source: "FFMPEG_BIN" });
    });
    await withEnvironment({}, async () => {
      expect(["PATH", "ffmpeg-static"]).toContain((await findFfmpeg()).source);
    });
  });

  it("fails when what the user names does not work, instead of taking another", async () => {
    const error = await failureOf(findFfmpeg({ ffmpeg: folder.at("nothing") }));
    expect(error.code).toBe("ffmpeg");
    expect(error.message).toContain("given by the option");
    expect(error.message).toContain("no such file");
    const broken = program("broken", "exit 3");
    await withEnvironment({ FFMPEG_PATH: broken }, async () => {
      expect((await failureOf(findFfmpeg())).message).toContain("exit code 3");
    });
    await withEnvironment({ FFPROBE_PATH: program("noprobe", "echo hello") }, async () => {
      expect((await failureOf(findFfmpeg())).message).toContain("another program than ffprobe");
    });
  });

  it("passes over an FFMPEG_BIN that does not work and says why", async () => {
    mkdirSync(folder.at("folder"));
    await withEnvironment({ FFMPEG_BIN: folder.at("folder") }, async () => {
      const { chosen, candidates } = await describeFfmpeg();
      expect(chosen?.path).toBe(real);
      expect(candidates).toContainEqual({
        program: "ffmpeg",
        source: "FFMPEG_BIN",
        path: folder.at("folder"),
        outcome: "it is not a file",
      });
      expect(candidates.find(({ source }) => source === "option")?.outcome).toBe("not given");
      expect(candidates.filter(({ outcome }) => outcome === "chosen").length).toBeGreaterThan(0);
    });
  });

  it("tells how to get ffmpeg when there is none", async ({ skip }) => {
    await withEnvironment({ PATH: folder.at("folder"), FFMPEG_BIN: folder.at("missing") }, async () => {
      const report = await describeFfmpeg();
      if (report.chosen) skip("ffmpeg-static's program is installed here");
      expect(report.chosen).toBeUndefined();
      const { code, message } = await failureOf(findFfmpeg());
      expect(code).toBe("ffmpeg");
      expect(message).toMatch(/^ffmpeg not found\. Tried: option .*FFMPEG_BIN .*missing: there is no such file.*PATH/);
      for (const hint of ["apt install ffmpeg", "brew install ffmpeg", "winget install ffmpeg", "FFMPEG_PATH"])
        expect(message).toContain(hint);
    });
  });

  it("looks for ffprobe beside ffmpeg, then in PATH, and does without", async () => {
    mkdirSync(folder.at("alone"));
    symlinkSync(real, folder.at("alone/ffmpeg"));
    const path = `${folder.at("alone")}${delimiter}${process.env["PATH"]}`;
    await withEnvironment({ PATH: path }, async () => {
      const { chosen, candidates } = await describeFfmpeg({ ffmpeg: folder.at("alone/ffmpeg") });
      expect(chosen?.ffprobe?.source).toBe("PATH");
      expect(candidates.find(({ source }) => source === "beside ffmpeg")?.outcome).toBe("there is no such file");
    });
    await withEnvironment({ PATH: folder.at("alone") }, async () => {
      expect((await findFfmpeg({ ffmpeg: folder.at("alone/ffmpeg") })).ffprobe).toBeUndefined();
    });
    expect((await findFfmpeg({ ffprobe: false })).ffprobe).toBeUndefined();
    expect((await findFfmpeg({ ffmpeg: real })).ffprobe?.source).toBe("beside ffmpeg");
  });

  it("tells -fps_mode from older versions by the version of a library, also in builds without a number", async () => {
    const mode = async (name: string, text: string, libavutil: string): Promise<boolean> =>
      (await findFfmpeg({ ffmpeg: program(name, version(name, text, libavutil)), ffprobe: false })).knowsFpsMode;
    expect(await mode("v5.1", "5.1.9-0+deb12u1", "57. 28")).toBe(true);
    expect(await mode("v5.0", "5.0", "57. 17")).toBe(false);
    expect(await mode("old-git", "N-47683-g0e8eb07980-static", "56. 24")).toBe(false);
    expect(await mode("new-git", "N-118000-gabc", "61. 1")).toBe(true);
    const error = await failureOf(findFfmpeg({ ffmpeg: program("v3", version("v3", "3.4", "55. 78")) }));
    expect(error.message).toContain("version 3.4 is too old");
  });
});

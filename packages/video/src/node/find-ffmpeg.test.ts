/** @module-tag ffmpeg */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { platformName, programFactsName, programFolder, useInstalled } from "@coordtok/core/node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { describeFfmpeg, findFfmpeg } from "./find-ffmpeg.js";
import { failureOf, makeClipFolder, type ClipFolder } from "./testdata/make-clips.js";

const hidden = vi.hoisted(() => ({ wasm: false }));
vi.mock(import("./ffmpeg-wasm.js"), async (original) => {
  const { wasmProgram } = await original();
  return { wasmProgram: (program) => (hidden.wasm ? { absent: "not installed" } : wasmProgram(program)) };
});

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
  it("prefers the option to FFMPEG_PATH to FFMPEG_BIN to PATH", async () => {
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

  it("fails if the named program does not work, instead of using another", async () => {
    const error = await failureOf(findFfmpeg({ ffmpeg: folder.at("nothing") }));
    expect(error.code).toBe("ffmpeg");
    expect(error.message).toContain("given by the option");
    expect(error.message).toContain("no such file");
    const broken = program("broken", "exit 3");
    await withEnvironment({ FFMPEG_PATH: broken }, async () => {
      expect((await failureOf(findFfmpeg())).message).toContain("exit code 3");
    });
    await withEnvironment({ FFPROBE_PATH: program("noprobe", "echo hello") }, async () => {
      expect((await failureOf(findFfmpeg())).message).toContain("it is not ffprobe");
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

  it("says how to get ffmpeg if there is none", async ({ skip }) => {
    hidden.wasm = true;
    const environment = {
      PATH: folder.at("folder"),
      FFMPEG_BIN: folder.at("missing"),
      COORDTOK_CACHE: folder.at("cache"),
    };
    await withEnvironment(environment, async () => {
      const report = await describeFfmpeg();
      if (report.chosen) skip("ffmpeg-static's program is installed here");
      const { code, message } = await failureOf(findFfmpeg());
      expect(code).toBe("ffmpeg");
      expect(message).toMatch(
        /^ffmpeg not found\. Tried: option .*FFMPEG_BIN .*missing: there is no such file.*PATH.*setup \(ffmpeg has not been/,
      );
      const hints = ["apt install ffmpeg", "brew install ffmpeg", "winget install ffmpeg", "FFMPEG_PATH"];
      for (const hint of [...hints, "npx coordtok setup", "@ffmpeg/core"]) expect(message).toContain(hint);
    }).finally(() => (hidden.wasm = false));
  });

  it("uses the program in the cache after PATH, without ffprobe, and not if it was changed", async () => {
    const cache = folder.at("cache");
    const directory = join(programFolder("ffmpeg", cache), "ffmpeg-9-1f");
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const script = `#!/bin/sh\n${version("setup", "n9.0.2", "61. 1")}\n`;
    writeFileSync(join(directory, "ffmpeg"), script, { mode: 0o755 });
    const sha256 = createHash("sha256").update(script).digest("hex");
    const file = { path: "ffmpeg", bytes: script.length, sha256 };
    const facts = { format: 1, version: "9", wheel: { name: "a.whl", sha256 }, file, madeAt: "" };
    writeFileSync(join(directory, programFactsName), JSON.stringify(facts));
    await useInstalled(programFolder("ffmpeg", cache), platformName(), "ffmpeg-9-1f");
    await withEnvironment({ COORDTOK_CACHE: cache }, async () => {
      expect((await findFfmpeg()).path).toBe(real);
    });
    await withEnvironment({ COORDTOK_CACHE: cache, PATH: folder.at("folder") }, async () => {
      const { chosen, candidates } = await describeFfmpeg();
      if (chosen?.source === "ffmpeg-static") return;
      expect(chosen).toMatchObject({ source: "setup", path: join(directory, "ffmpeg"), version: "n9.0.2" });
      expect(chosen?.ffprobe).toBeUndefined();
      expect(candidates.find(({ source }) => source === "@ffmpeg/core")?.outcome).toBe("not needed");
      writeFileSync(join(directory, "ffmpeg"), script.replace("9.0.2", "9.0.3"), { mode: 0o755 });
      const changed = await describeFfmpeg();
      expect(changed.chosen?.source).toBe("@ffmpeg/core");
      expect(changed.candidates.find(({ source }) => source === "setup")?.outcome).toContain("SHA-256");
    });
  });

  it("never uses a file of the current folder", async () => {
    program("ffmpeg", version("planted", "1.0", "59. 8"));
    const before = process.cwd();
    process.chdir(folder.path);
    try {
      await withEnvironment({ PATH: ["", ".", "./", process.env["PATH"]].join(delimiter) }, async () => {
        expect((await findFfmpeg()).path).toBe(real);
      });
      const bare = await failureOf(findFfmpeg({ ffmpeg: "a" }));
      expect(bare.message).toContain("no program of that name is on PATH (for a file in this folder write ./a)");
      expect((await findFfmpeg({ ffmpeg: "./a" })).version).toBe("7.a");
    } finally {
      process.chdir(before);
    }
  });

  it("derives the licence from the options of the build", async () => {
    const licence = async (name: string, options: string): Promise<string> => {
      const answer = `${version(name, "7", "59. 8")}\necho "configuration: ${options}"`;
      return (await findFfmpeg({ ffmpeg: program(name, answer), ffprobe: false })).licence;
    };
    expect(await licence("l1", "--enable-zlib")).toBe("LGPL-2.1-or-later");
    expect(await licence("l2", "--enable-version3")).toBe("LGPL-3.0-or-later");
    expect(await licence("l3", "--enable-gpl --enable-libx264")).toBe("GPL-2.0-or-later");
    expect(await licence("l4", "--enable-gpl --enable-version3")).toBe("GPL-3.0-or-later");
    expect(await licence("l5", "--enable-gpl --enable-nonfree")).toContain("nonfree");
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

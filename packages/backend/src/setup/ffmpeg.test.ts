import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isCoordTokError, type CoordTokError, type ProgressEvent } from "@coordtok/core";
import { findCachedProgram } from "@coordtok/core/node";
import { afterEach, describe, expect, it } from "vitest";
import { isFfmpegWheel, setupFfmpegIn, type FfmpegSetupOptions, type FfmpegWorld } from "./ffmpeg.js";
import { fakeMachine, linux, sha256Of, type FakeMachine } from "./testdata/fake-machine.js";
import { writeWheel, type FakeEntry } from "./testdata/fake-wheel.js";

let made: FakeMachine | undefined;
afterEach(() => made?.remove());

const wheelName = "imageio_ffmpeg-0.8.1-py3-none-manylinux_2_28_x86_64.whl";
const script = '#!/bin/sh\necho "ffmpeg version n9.0.2-17-gabc Copyright"\n';
const program: FakeEntry = {
  name: "imageio_ffmpeg/binaries/ffmpeg-linux-x86_64-v9.0.2",
  content: script,
  mode: 0o100755,
};

interface Machine extends FakeMachine {
  readonly ffmpegWheel: string;
}

function machine(env: Record<string, string> = {}, entries: readonly FakeEntry[] = [program]): Machine {
  const here = (made = fakeMachine(env));
  const ffmpegWheel = join(dirname(here.wheel), wheelName);
  writeWheel(ffmpegWheel, [...entries, { name: "imageio_ffmpeg/_io.py", content: "left out" }]);
  return Object.assign(here, { ffmpegWheel });
}

async function failure(world: FfmpegWorld, options: FfmpegSetupOptions): Promise<CoordTokError> {
  const thrown: unknown = await setupFfmpegIn(world, options).catch((error: unknown) => error);
  expect(isCoordTokError(thrown), String(thrown)).toBe(true);
  const error = thrown as CoordTokError;
  expect([error.code, error.message.split("\n").length]).toEqual(["setup", 1]);
  return error;
}

const left = (cache: string): string[] => readdirSync(join(cache, "ffmpeg")).sort();

describe("setup of ffmpeg", { timeout: 60_000 }, () => {
  it("leaves the program, its facts and nothing else, and does nothing the second time", async () => {
    const here = machine();
    const { world, cache, ffmpegWheel } = here;
    const [notes, events]: [string[], ProgressEvent[]] = [[], []];
    const report = await setupFfmpegIn(world, {
      cacheDir: cache,
      onNote: (text) => notes.push(text),
      onProgress: (event) => events.push(event),
    });
    expect(report).toMatchObject({
      alreadySetUp: false,
      program: {
        version: "n9.0.2-17-gabc",
        wheel: { name: wheelName, sha256: sha256Of(ffmpegWheel) },
        path: join(report.program.directory, "ffmpeg"),
      },
    });
    expect(readFileSync(report.program.path, "utf8")).toBe(script);
    expect(readdirSync(report.program.directory).sort()).toEqual(["checked.json", "ffmpeg", "program.json"]);
    expect(left(cache)).toEqual(["current-linux-x64.json", expect.stringMatching(/^ffmpeg-9\.0\.2-linux-x64-\w{8}$/)]);
    expect(notes.join("\n")).toMatch(/\(GPL\).* downloads about 68 MB, keeps about 175 MB/);
    expect(events.map(({ task }) => task)).toContain("unpack ffmpeg");
    expect(await setupFfmpegIn(world, { cacheDir: cache })).toMatchObject({
      alreadySetUp: true,
      program: report.program,
    });
    expect(here.starts("pip download")).toBe(1);
    expect(here.starts("imageio-ffmpeg==0.8.1")).toBe(1);
  });

  it("starts over with force, and if the program was changed", async () => {
    const { world, cache } = machine();
    const first = await setupFfmpegIn(world, { cacheDir: cache });
    const forced = await setupFfmpegIn(world, { cacheDir: cache, force: true });
    expect(existsSync(first.program.directory)).toBe(false);
    writeFileSync(forced.program.path, script.replace("n9", "n8"));
    expect(await findCachedProgram("ffmpeg", cache, "linux-x64")).toHaveProperty("missing");
    expect((await setupFfmpegIn(world, { cacheDir: cache })).alreadySetUp).toBe(false);
    expect(left(cache)).toHaveLength(2);
  });

  it("takes a wheel given as a file without pip, and leaves that file alone", async () => {
    const here = machine({ FAKE_PIP: "exit 1" });
    await setupFfmpegIn(here.world, { cacheDir: here.cache, wheel: here.ffmpegWheel });
    expect(existsSync(here.ffmpegWheel)).toBe(true);
    expect(here.starts("pip")).toBe(0);
    expect(isFfmpegWheel(here.ffmpegWheel)).toBe(true);
    expect(isFfmpegWheel(here.wheel)).toBe(false);
  });

  it("run twice at once does the work once", async () => {
    const here = machine({ FAKE_PIP: '/bin/sleep 0.5; /bin/cp "$FAKE_ROOT/wheels/"imageio_ffmpeg-*.whl "$dest"' });
    const setup = (): ReturnType<typeof setupFfmpegIn> => setupFfmpegIn(here.world, { cacheDir: here.cache });
    const both = await Promise.all([setup(), setup()]);
    expect(both.map(({ alreadySetUp }) => alreadySetUp).sort()).toEqual([false, true]);
    expect(here.starts("pip download")).toBe(1);
  });

  it("stopped by its signal leaves only what the next setup reuses", async () => {
    const here = machine();
    const controller = new AbortController();
    const stopped = setupFfmpegIn(here.world, {
      cacheDir: here.cache,
      signal: controller.signal,
      onProgress: ({ task }) => task === "unpack ffmpeg" && controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: "aborted" });
    expect(left(here.cache)).toEqual(["downloads"]);
    mkdirSync(join(here.cache, "ffmpeg", ".unfinished-0a1b2c3d"));
    await setupFfmpegIn(here.world, { cacheDir: here.cache });
    expect(here.starts("pip download")).toBe(1);
    expect(left(here.cache)).toHaveLength(2);
  });

  const musl = { platform: "linux", arch: "x64", glibc: undefined };
  const cases: [string, () => Promise<CoordTokError>, RegExp][] = [
    [
      "a wheel whose content differs from the published one",
      () => {
        const { world, cache, ffmpegWheel } = machine();
        const knownWheels = world.knownWheels;
        writeWheel(ffmpegWheel, [{ ...program, content: "#!/bin/sh\necho evil\n" }]);
        return failure({ ...world, knownWheels }, { cacheDir: cache });
      },
      /is not the wheel that was published under this name, so it was not used/,
    ],
    ["no Python", () => failure(withoutPython(), { cacheDir: made?.cache }), /Setup needs Python 3 with pip/],
    [
      "a program that does not start",
      () => failure(machine({}, [{ ...program, content: "#!/nowhere/sh\n" }]).world, { cacheDir: made?.cache }),
      /The ffmpeg of the wheel does not work here: it does not start \(ENOENT\); install your system's package/,
    ],
    [
      "a wheel without a program",
      () => failure(machine({}, []).world, { cacheDir: made?.cache }),
      /The wheel "imageio_ffmpeg-0\.8\.1.*" contains no ffmpeg/,
    ],
    [
      "a file that is a different wheel",
      () => failure(machine().world, { cacheDir: made?.cache, wheel: made?.wheel }),
      /Expected a wheel of imageio-ffmpeg/,
    ],
    [
      "a file that is not there",
      () => failure(machine().world, { cacheDir: made?.cache, wheel: `/nowhere/${wheelName}` }),
      /The wheel "\/nowhere/,
    ],
    [
      "musl",
      () => failure({ ...machine().world, machine: musl }, { cacheDir: made?.cache }),
      /glibc 2\.28.*musl.*apk add/,
    ],
    [
      "an old glibc",
      () => failure({ ...machine().world, machine: { ...linux, glibc: "2.17" } }, { cacheDir: made?.cache }),
      /needs glibc 2\.28 or later, but this system has glibc 2\.17/,
    ],
    [
      "too little disk space",
      () => failure({ ...machine().world, freeBytes: () => Promise.resolve(1e8) }, { cacheDir: made?.cache }),
      /Setting ffmpeg up needs 418 MB of disk space, but ".*ffmpeg" has 100 MB left/,
    ],
  ];

  it.each(cases)("says in one sentence what stopped it: %s", async (_title, run, message) => {
    expect((await run()).message).toMatch(message);
    const cache = made?.cache ?? "";
    const names = existsSync(cache) ? readdirSync(cache, { recursive: true }).map(String) : [];
    expect(names.filter((name) => /unfinished|ffmpeg$/.test(name) && name !== "ffmpeg")).toEqual([]);
  });
});

function withoutPython(): FfmpegWorld {
  const { world } = machine();
  return { ...world, env: { ...world.env, PATH: "/nowhere" } };
}

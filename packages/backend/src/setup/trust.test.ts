import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { isCoordTokError, type CoordTokError } from "@coordtok/core";
import { afterEach, describe, expect, it } from "vitest";
import { knownWheels } from "./known-wheels.js";
import type { SetupOptions, SetupWorld } from "./options.js";
import { pinnedTensorflow } from "./plan.js";
import { setupIn } from "./setup.js";
import { fakeMachine, sha256Of, wheelName, type FakeMachine } from "./testdata/fake-machine.js";
import { tensorflowEntries, writeWheel } from "./testdata/fake-wheel.js";

let made: FakeMachine | undefined;
afterEach(() => made?.remove());

function machine(env: Record<string, string> = {}): FakeMachine {
  return (made = fakeMachine(env));
}

async function failure(world: SetupWorld, options: SetupOptions): Promise<CoordTokError> {
  const thrown: unknown = await setupIn(world, options).catch((error: unknown) => error);
  expect(isCoordTokError(thrown), String(thrown)).toBe(true);
  return thrown as CoordTokError;
}

/** The traces of the compiler and the libraries: none if a wheel was refused. */
function expectNothingUsed(cache: string): void {
  const names = readdirSync(cache, { recursive: true }).map(String);
  expect(names.filter((name) => /\.whl$|\.so|\.node$|unfinished/.test(name))).toEqual([]);
}

const evil = [{ name: "tensorflow/libtensorflow_cc.so.2", content: "evil" }, ...tensorflowEntries.slice(1)];

describe("the wheel of the pinned version", () => {
  it("with other content is refused before it is used, even if it is a valid wheel", async () => {
    const { world, cache, wheel } = machine();
    const published = world.knownWheels;
    writeWheel(wheel, evil);
    const error = await failure({ ...world, knownWheels: published }, { cacheDir: cache });
    expect(error.message).toMatch(/^"tensorflow_cpu-2\.18\.1.*" is not the wheel that was published under this name/);
    expect(error.details).toEqual([`SHA-256 ${sha256Of(wheel)}, expected ${published[wheelName]}`]);
    expectNothingUsed(cache);
  });

  it("under an unknown file name is refused unless given as a file", async () => {
    const { world, cache, wheel } = machine();
    const stranger = { ...world, knownWheels: {} };
    const error = await failure(stranger, { cacheDir: cache });
    expect(error.message).toMatch(/does not know, so it was not used; .* \(option wheel\)\.$/);
    expectNothingUsed(cache);
    expect((await setupIn(stranger, { cacheDir: cache, wheel })).alreadySetUp).toBe(false);
  });

  it("left over from an interrupted setup is used if it is right, and downloaded again if not", async () => {
    const here = machine();
    const { world, cache, wheel } = here;
    const downloads = join(cache, "native", "downloads");
    mkdirSync(downloads, { recursive: true, mode: 0o700 });
    const left = join(downloads, wheelName);
    copyFileSync(wheel, left);
    await setupIn(world, { cacheDir: cache });
    expect(here.starts("pip download")).toBe(0);
    mkdirSync(downloads);
    writeWheel(left, evil);
    const { installation } = await setupIn(world, { cacheDir: cache, force: true });
    expect(here.starts("pip download")).toBe(1);
    expect(installation.wheels).toEqual([{ name: wheelName, sha256: sha256Of(wheel) }]);
  });

  it("left over and wrong is not used even if the index is unreachable", async () => {
    const { world, cache } = machine({ FAKE_PIP: "echo 'ConnectionError' >&2; exit 1" });
    const left = join(cache, "native", "downloads", wheelName);
    mkdirSync(dirname(left), { recursive: true, mode: 0o700 });
    writeWheel(left, evil);
    const error = await failure(world, { cacheDir: cache });
    expect(error.message).toContain("could not get tensorflow-cpu==2.18.1");
    expect(existsSync(left)).toBe(false);
  });

  it("is known for every platform, with CUDA's wheels, the compiler and ffmpeg", () => {
    const names = Object.keys(knownWheels);
    for (const platform of ["x86_64", "aarch64", "arm64"])
      for (const project of [`tensorflow(_cpu)?-${pinnedTensorflow}-cp312`, "ziglang", "imageio_ffmpeg"])
        expect(names.filter((name) => new RegExp(`^${project}.*${platform}\\.whl$`).test(name))).not.toEqual([]);
    expect(names.filter((name) => name.startsWith("nvidia_"))).toHaveLength(12);
    for (const sum of Object.values(knownWheels)) expect(sum).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("the wheel of a chosen version", () => {
  it("is recorded, and from then on only the same file is accepted under its name", async () => {
    const { world, cache, wheel } = machine();
    const other = join(dirname(wheel), "tensorflow_cpu-2.21.0-cp312-cp312-manylinux_2_27_x86_64.whl");
    renameSync(wheel, other);
    const options = { cacheDir: cache, tensorflow: "2.21.0", force: true };
    const stranger = { ...world, knownWheels: {} };
    const notes: string[] = [];
    await setupIn(stranger, { ...options, onNote: (text) => notes.push(text) });
    expect(notes.join("\n")).toMatch(/was not tested with "tensorflow_cpu-2\.21\.0.*only the same file/);
    await setupIn(stranger, options);
    writeWheel(other, evil);
    const error = await failure(stranger, options);
    expect(error.message).toMatch(
      /not the file that was used under this name before.*remove ".*recorded-wheels\.json"/,
    );
    const given = await failure(stranger, { ...options, wheel: other });
    expect(given.message).toContain("not the file that was used under this name before");
  });
});

describe("the cache", () => {
  it("is accessible only to its owner", async () => {
    const { world, cache } = machine();
    const { installation } = await setupIn(world, { cacheDir: cache });
    for (const folder of [cache, join(cache, "native")]) expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(installation.directory).mode & 0o022).toBe(0);
  });

  it("that others can write to is refused, and nothing is downloaded", async () => {
    const here = machine();
    const { world, cache } = here;
    for (const [folder, mode] of [
      [cache, 0o777],
      [join(cache, "native"), 0o720],
    ] as const) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      chmodSync(folder, mode);
      const error = await failure(world, { cacheDir: cache });
      expect(error.message).toMatch(
        /^Setup cannot use this cache: other users may write into ".*" \(mode 7[27][07]\), so .*; remove it, or choose/,
      );
      chmodSync(folder, 0o700);
    }
    expect(here.starts("pip download")).toBe(0);
  });

  it("is repaired by setup whatever its facts say", async () => {
    const { world, cache } = machine();
    let { directory } = (await setupIn(world, { cacheDir: cache })).installation;
    const current = join(cache, "native", "current-linux-x64.json");
    for (const [name, text] of [
      ["setup.json", "null"],
      ["setup.json", '{"format":1,"files":7}'],
      [current, '{"installation":"../.."}'],
      [current, '"made up"'],
    ] as const) {
      writeFileSync(name === current ? current : join(directory, name), text);
      const mended = await setupIn(world, { cacheDir: cache });
      expect([text, mended.alreadySetUp]).toEqual([text, false]);
      ({ directory } = mended.installation);
    }
  });
});

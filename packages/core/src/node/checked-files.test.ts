import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  checkFiles,
  findCachedProgram,
  isFileFacts,
  makePrivateFolder,
  programFolder,
  trustProblem,
  useInstalled,
  type FileFacts,
} from "./index.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-checked-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function file(path: string, content: string | Uint8Array, below = folder): FileFacts {
  writeFileSync(join(below, path), content, { mode: 0o755 });
  return { path, bytes: Buffer.from(content).length, sha256: createHash("sha256").update(content).digest("hex") };
}

const large = new Uint8Array(3 * 2 ** 20).fill(7);

describe("checkFiles", () => {
  it("reports a file that is missing, truncated, a link or different", async () => {
    const facts = [file("a", "small"), file("b", large)];
    expect(await checkFiles(folder, facts)).toBeUndefined();
    expect(await checkFiles(folder, [...facts, { path: "c", bytes: 1, sha256: "" }])).toMatch(/c" is missing$/);
    truncateSync(join(folder, "b"), 10);
    expect(await checkFiles(folder, facts)).toMatch(/b" is not complete$/);
    writeFileSync(join(folder, "b"), new Uint8Array(large.length));
    expect(await checkFiles(folder, facts)).toMatch(/b" is not the file that was set up: its SHA-256 differs$/);
    rmSync(join(folder, "a"));
    file("elsewhere", "small");
    symlinkSync(join(folder, "elsewhere"), join(folder, "a"));
    expect(await checkFiles(folder, facts.slice(0, 1))).toMatch(/a" is missing$/);
  });

  it("detects a change of a large file even if its size and settable times are the same", async () => {
    const facts = [file("b", large)];
    const { atime, mtime } = statSync(join(folder, "b"));
    expect(await checkFiles(folder, facts)).toBeUndefined();
    expect(await checkFiles(folder, facts)).toBeUndefined();
    // File systems count time in steps of some milliseconds.
    await new Promise((done) => setTimeout(done, 50));
    writeFileSync(join(folder, "b"), new Uint8Array(large.length));
    utimesSync(join(folder, "b"), atime, mtime);
    expect(await checkFiles(folder, facts)).toMatch(/SHA-256/);
  });

  it("ignores a damaged list of checked files", async () => {
    const facts = [file("b", large)];
    for (const text of ["", "null", "[]", "{"]) {
      writeFileSync(join(folder, "checked.json"), text);
      expect(await checkFiles(folder, facts)).toBeUndefined();
    }
  });

  it.each(["../a", "/a", "a/../b", "", "a//b", ".", "a\\b", "C:a", "a\0"])("facts never name the path %j", (path) => {
    expect(isFileFacts({ path, bytes: 1, sha256: "0".repeat(64) })).toBe(false);
  });
});

describe("a folder", () => {
  it("that others can write to is not trusted; one that is missing, read-only for others or the superuser's is", async () => {
    for (const [mode, trusted] of [
      [0o700, true],
      [0o755, true],
      [0o775, false],
      [0o702, false],
    ] as const) {
      chmodSync(folder, mode);
      expect([mode, (await trustProblem(folder)) === undefined]).toEqual([mode, trusted]);
    }
    expect(await trustProblem(join(folder, "missing"))).toBeUndefined();
    expect(await trustProblem("/")).toBeUndefined();
  });

  it("of another user is not trusted, even through a link", async () => {
    const link = join(folder, "link");
    mkdirSync(join(folder, "theirs"));
    symlinkSync(join(folder, "theirs"), link);
    const own = process.getuid?.() ?? 0;
    const getuid = vi.spyOn(process, "getuid").mockReturnValue(own + 1);
    try {
      if (own !== 0) expect(await trustProblem(link)).toBe(`"${link}" belongs to another user (${own})`);
      else expect(await trustProblem(link)).toBeUndefined();
    } finally {
      getuid.mockRestore();
    }
  });

  it("made private loses the permissions of others", async () => {
    const inner = join(folder, "a", "b");
    await makePrivateFolder(inner);
    chmodSync(inner, 0o777);
    await makePrivateFolder(inner);
    for (const path of [inner, join(folder, "a")]) expect(statSync(path).mode & 0o777).toBe(0o700);
  });
});

describe("a cached program", () => {
  /** Puts a fake ffmpeg in the cache. */
  async function install(change: object = {}): Promise<string> {
    const programs = programFolder("ffmpeg", folder);
    const directory = join(programs, "ffmpeg-9-1f");
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const facts = { format: 1, version: "9", wheel: { name: "a.whl", sha256: "" } };
    const content = JSON.stringify({ ...facts, file: file("ffmpeg", "#!/bin/sh\n", directory), madeAt: "", ...change });
    writeFileSync(join(directory, "program.json"), content);
    await useInstalled(programs, "linux-x64", "ffmpeg-9-1f");
    return join(directory, "ffmpeg");
  }
  const find = (): ReturnType<typeof findCachedProgram> => findCachedProgram("ffmpeg", folder, "linux-x64");

  it("is found with its facts", async () => {
    expect(await find()).toEqual({ missing: "ffmpeg has not been set up" });
    const path = await install();
    expect(await find()).toMatchObject({ path, version: "9" });
  });

  it("that was replaced, is outside, has damaged facts or is where others can write is rejected", async () => {
    const path = await install();
    writeFileSync(path, "#!/bin/ls\n");
    expect(await find()).toMatchObject({ missing: expect.stringContaining("SHA-256") as string });
    await install({ file: { path: "../../ffmpeg", bytes: 10, sha256: "0".repeat(64) } });
    expect(await find()).toMatchObject({ missing: expect.stringContaining("is incomplete") as string });
    await install({ version: 7 });
    expect(await find()).toMatchObject({ missing: expect.stringContaining("is incomplete") as string });
    await install();
    chmodSync(join(path, ".."), 0o777);
    expect(await find()).toMatchObject({ missing: expect.stringContaining("so nothing in it is run") as string });
  });
});

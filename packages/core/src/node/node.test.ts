import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { truncateSync } from "node:fs";
import { mkdir, mkdtemp, open, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CoordTokError } from "../errors.js";
import {
  checkOutput,
  fileReadError,
  fileWriteError,
  moveIntoPlace,
  openFileSource,
  sha256OfFile,
  temporaryPathFor,
  writeAtomically,
} from "./index.js";

let root = "";
let folder = "";
let count = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "coordtok-node-"));
});

afterAll(async () => {
  await rm(root, { recursive: true });
});

async function freshFolder(): Promise<string> {
  folder = join(root, String(count++));
  await mkdir(folder);
  return folder;
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

async function failure(promise: Promise<unknown>): Promise<CoordTokError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(CoordTokError);
  return thrown as CoordTokError;
}

describe("openFileSource", () => {
  it("reads any part of a file", async () => {
    const path = join(await freshFolder(), "data");
    await writeFile(path, bytes(1, 2, 3, 4, 5));
    const source = await openFileSource(path);
    expect(source.size).toBe(5);
    expect(await source.read(1, 3)).toEqual(bytes(2, 3, 4));
    expect(await source.read(5, 0)).toEqual(bytes());
    expect((await failure(source.read(4, 2))).message).toContain("only 5 bytes");
    await source.close();
    await source.close();
  });

  it("reads beyond 4 GiB", async () => {
    const path = join(await freshFolder(), "sparse");
    const offset = 5 * 2 ** 30 + 3;
    const handle = await open(path, "w");
    await handle.write(bytes(7, 8, 9), 0, 3, offset);
    await handle.close();
    const source = await openFileSource(path);
    expect(source.size).toBe(offset + 3);
    expect(await source.read(offset - 1, 4)).toEqual(bytes(0, 7, 8, 9));
    await source.close();
    await rm(path);
  });

  it("a missing file and a folder give one sentence each", async () => {
    await freshFolder();
    expect(await failure(openFileSource(join(folder, "no")))).toMatchObject({ code: "file-not-found" });
    const isFolder = await failure(openFileSource(folder));
    expect(isFolder).toMatchObject({ code: "file-read", message: `Expected a file, but "${folder}" is a folder.` });
  });

  it("a file that becomes shorter while it is open gives an error, not zeros", async () => {
    const path = join(await freshFolder(), "data");
    await writeFile(path, new Uint8Array(100));
    const source = await openFileSource(path);
    truncateSync(path, 10);
    expect((await failure(source.read(0, 100))).message).toContain("became shorter");
    await source.close();
  });
});

describe("sha256OfFile", () => {
  it("agrees with the hash of the whole content and reports progress", async () => {
    const path = join(await freshFolder(), "data");
    const content = new Uint8Array(9_000_001).map((_, i) => i * 31);
    await writeFile(path, content);
    const seen: number[] = [];
    const hash = await sha256OfFile(path, { onProgress: (event) => seen.push(event.done) });
    expect(hash).toBe(createHash("sha256").update(content).digest("hex"));
    expect(seen.at(-1)).toBe(content.length);
    expect(seen.length).toBeGreaterThan(1);
  });

  it("an empty file has the hash of no bytes", async () => {
    const path = join(await freshFolder(), "empty");
    await writeFile(path, "");
    expect(await sha256OfFile(path)).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  });

  it("stops on abort", async () => {
    const path = join(await freshFolder(), "data");
    await writeFile(path, "x");
    expect((await failure(sha256OfFile(path, { signal: AbortSignal.abort() }))).code).toBe("aborted");
  });
});

describe("checkOutput", () => {
  it("accepts a new file, and an existing one when overwriting is allowed", async () => {
    const path = join(await freshFolder(), "out");
    await checkOutput(path);
    await writeFile(path, "old");
    await checkOutput(path, { overwrite: true });
    const exists = await failure(checkOutput(path));
    expect(exists.code).toBe("file-exists");
    expect(exists.message).toContain("option overwrite: true");
  });

  it("names a missing folder, a file instead of a folder, a folder instead of a file, and a device", async () => {
    await freshFolder();
    await writeFile(join(folder, "file"), "");
    const missing = await failure(checkOutput(join(folder, "a", "b")));
    expect(missing.message).toContain(`the folder "${join(folder, "a")}" does not exist`);
    expect((await failure(checkOutput(join(folder, "file", "b")))).message).toContain("not a folder");
    expect((await failure(checkOutput(folder, { overwrite: true }))).message).toContain("it is a folder");
    expect((await failure(checkOutput("/dev/null", { overwrite: true }))).message).toContain("not an ordinary file");
  });
});

describe("temporaryPathFor", () => {
  it("is a hidden neighbour with the same extension and never the same twice", () => {
    const path = join("some", "clip.mp4");
    const temporary = temporaryPathFor(path);
    expect(dirname(temporary)).toBe("some");
    expect(basename(temporary)).toMatch(/^\.clip\.[0-9a-f]{16}-[0-9a-z]+-[0-9a-z]*-[0-9a-f]{8}\.partial\.mp4$/);
    expect(temporaryPathFor(path)).not.toBe(temporary);
  });

  it("fits into a file system's 255 bytes for a name that just fits itself", () => {
    const name = `${"ü".repeat(120)}.mp4`;
    expect(Buffer.byteLength(basename(temporaryPathFor(name)))).toBeLessThanOrEqual(255);
  });
});

describe("moveIntoPlace", () => {
  it("does not replace a file that has appeared meanwhile", async () => {
    await freshFolder();
    await writeFile(join(folder, "new"), "new");
    await writeFile(join(folder, "out"), "old");
    expect((await failure(moveIntoPlace(join(folder, "new"), join(folder, "out")))).code).toBe("file-exists");
    expect(await readFile(join(folder, "out"), "utf8")).toBe("old");
    await moveIntoPlace(join(folder, "new"), join(folder, "out"), { overwrite: true });
    expect(await readFile(join(folder, "out"), "utf8")).toBe("new");
    expect(await readdir(folder)).toEqual(["out"]);
  });

  it("moves folders too", async () => {
    await freshFolder();
    await mkdir(join(folder, "new"));
    await moveIntoPlace(join(folder, "new"), join(folder, "out"));
    expect(await readdir(folder)).toEqual(["out"]);
  });
});

describe("writeAtomically", () => {
  it("writes bytes, text and sequences of them", async () => {
    await freshFolder();
    await writeAtomically(join(folder, "a"), bytes(1, 2));
    await writeAtomically(join(folder, "b"), "grün");
    await writeAtomically(join(folder, "c"), [bytes(65), "B", bytes(67)]);
    await writeAtomically(
      join(folder, "d"),
      (async function* () {
        yield bytes(1);
        yield bytes(2, 3);
      })(),
    );
    expect(await readFile(join(folder, "a"))).toEqual(Buffer.from([1, 2]));
    expect(await readFile(join(folder, "b"), "utf8")).toBe("grün");
    expect(await readFile(join(folder, "c"), "utf8")).toBe("ABC");
    expect(await readFile(join(folder, "d"))).toEqual(Buffer.from([1, 2, 3]));
    expect((await readdir(folder)).sort()).toEqual(["a", "b", "c", "d"]);
  });

  it("leaves the old file and nothing else if the content fails midway", async () => {
    const path = join(await freshFolder(), "out");
    await writeFile(path, "old");
    const broken = async function* (): AsyncGenerator<string> {
      yield "half";
      throw new RangeError("no more");
    };
    await expect(writeAtomically(path, broken(), { overwrite: true })).rejects.toThrow(RangeError);
    expect(await readFile(path, "utf8")).toBe("old");
    expect(await readdir(folder)).toEqual(["out"]);
  });

  it("leaves nothing if it is aborted midway", async () => {
    const path = join(await freshFolder(), "out");
    const control = new AbortController();
    const content = async function* (): AsyncGenerator<string> {
      yield "one";
      expect(await readdir(folder)).toHaveLength(1);
      control.abort();
      yield "two";
    };
    expect((await failure(writeAtomically(path, content(), { signal: control.signal }))).code).toBe("aborted");
    expect(await readdir(folder)).toEqual([]);
  });

  it("does not replace a file that appears while it writes", async () => {
    const path = join(await freshFolder(), "out");
    const content = async function* (): AsyncGenerator<string> {
      yield "mine";
      await writeFile(path, "theirs");
    };
    expect((await failure(writeAtomically(path, content()))).code).toBe("file-exists");
    expect(await readFile(path, "utf8")).toBe("theirs");
    expect(await readdir(folder)).toEqual(["out"]);
  });

  it("writes through a symbolic link", async () => {
    await freshFolder();
    await writeFile(join(folder, "real"), "old");
    await symlink("real", join(folder, "link"));
    await writeAtomically(join(folder, "link"), "new", { overwrite: true });
    expect(await readFile(join(folder, "real"), "utf8")).toBe("new");
    expect((await readdir(folder)).sort()).toEqual(["link", "real"]);
  });

  it("a full disk gives one sentence and leaves nothing", async (context) => {
    await freshFolder();
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], { stdio: "ignore" });
    } catch {
      context.skip("mounting a small file system is not allowed here");
    }
    try {
      const full = await failure(
        writeAtomically(join(folder, "out"), [new Uint8Array(60_000), new Uint8Array(60_000)]),
      );
      expect(full.message).toBe(
        `Cannot write "${join(folder, "out")}": there is no space left on its disk; free some or choose another place.`,
      );
      expect(await readdir(folder)).toEqual([]);
    } finally {
      execFileSync("umount", [folder]);
    }
  });

  it("gives an ordinary new file the permissions of the user's mask", async () => {
    const path = join(await freshFolder(), "out");
    await writeAtomically(path, "x");
    await writeFile(join(folder, "plain"), "x");
    expect((await stat(path)).mode).toBe((await stat(join(folder, "plain"))).mode);
  });
});

describe("errors of the system", () => {
  const system = (code: string): Error => Object.assign(new Error(`${code}: something`), { code });

  it.each([
    ["ENOSPC", "no space left"],
    ["EACCES", "no permission to write"],
    ["EROFS", "read-only"],
    ["EDQUOT", "quota"],
    ["ENAMETOOLONG", "too long"],
  ])("%s on writing becomes one sentence", (code, words) => {
    const error = fileWriteError(system(code), "a/b");
    expect(error.code).toBe("file-write");
    expect(error.message).toMatch(new RegExp(`^Cannot write "a/b": .*${words}.*\\.$`));
  });

  it("EACCES on reading becomes one sentence", () => {
    expect(fileReadError(system("EACCES"), "x").message).toBe('Cannot read "x": you have no permission to read it.');
  });
});

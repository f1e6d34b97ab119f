import { spawnSync } from "node:child_process";
import { chmod, link, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findVideos } from "./find-videos.js";

let folder = "";
const at = (...names: string[]): string => join(folder, ...names);
const found = async (...paths: string[]): Promise<string[]> =>
  (await findVideos(paths)).map((path) => relative(folder, path));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-find-"));
  await mkdir(at("set", "deep", ".cache"), { recursive: true });
  for (const name of [
    "b.mp4",
    "a.MKV",
    "notes.txt",
    "deep/c.webm",
    ".a.1f.partial.mp4",
    "deep/.cache/d.mp4",
    "._b.mp4",
  ])
    await writeFile(at("set", name), name);
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("findVideos", () => {
  it("finds videos by their extensions, sorted, and passes hidden files and unfinished ones over", async () => {
    expect(await found(at("set"))).toEqual(["set/a.MKV", "set/b.mp4", "set/deep/c.webm"]);
  });

  it("takes a video once that is there under several names", async () => {
    await link(at("set", "b.mp4"), at("set", "hard.mp4"));
    await symlink(at("set", "b.mp4"), at("set", "soft.mp4"));
    expect(await found(at("set"), at("set", "b.mp4"))).toEqual(["set/a.MKV", "set/b.mp4", "set/deep/c.webm"]);
  });

  it("ends where links go in circles, and keeps what it cannot look at, so that reading says why", async () => {
    await symlink(at("set"), at("set", "deep", "up"));
    await symlink("loop.mp4", at("set", "loop.mp4"));
    await symlink("gone", at("set", "gone.mp4"));
    expect(await found(at("set"))).toEqual([
      "set/a.MKV",
      "set/b.mp4",
      "set/deep/c.webm",
      "set/gone.mp4",
      "set/loop.mp4",
    ]);
  });

  it("says in one sentence where there is none", async () => {
    await expect(findVideos([at("set", "deep", ".cache", "none")])).rejects.toMatchObject({ code: "file-not-found" });
    await mkdir(at("empty"));
    await expect(findVideos([at("empty")])).rejects.toMatchObject({ code: "input" });
  });
});

it("a folder that may not be read is named in a sentence", { timeout: 60_000 }, async (context) => {
  if (process.platform === "win32") context.skip("folders have no such rights on Windows");
  const open = await mkdtemp(join(tmpdir(), "coordtok-rights-"));
  const closed = join(open, "closed");
  await mkdir(closed);
  await writeFile(join(open, "a.mp4"), "");
  await chmod(open, 0o755);
  await chmod(closed, 0o000);
  // Root may read everything, so another user looks.
  const isRoot = process.getuid?.() === 0;
  const other = isRoot ? { uid: 65_534, gid: 65_534 } : {};
  const code = `
    const { findVideos } = await import(${JSON.stringify(new URL("find-videos.ts", import.meta.url).href)});
    console.log("started");
    await findVideos([${JSON.stringify(open)}]).catch((thrown) => console.log(thrown.code, thrown.message));`;
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const args = ["--import", tsx, "--conditions=@coordtok/source", "--input-type=module", "-e", code];
  const { stdout } = spawnSync(process.execPath, args, { ...other, cwd: open, encoding: "utf8", timeout: 50_000 });
  await chmod(closed, 0o755);
  await rm(open, { recursive: true });
  const [first, told] = stdout.split("\n");
  if (isRoot && first !== "started") context.skip("user 65534 may not read this checkout");
  expect(told).toMatch(/^file-read .*closed".*permission/);
});

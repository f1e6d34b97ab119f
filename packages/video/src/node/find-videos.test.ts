import { link, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
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

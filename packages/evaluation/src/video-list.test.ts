import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pairVideos } from "./video-list.js";

let folder = "";
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-pairs-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** Pairs two folders of files. Gives the pairs and the warnings. */
async function paired(left: readonly string[], right: readonly string[]): Promise<unknown> {
  const [originals, against] = [join(folder, `${++count}-left`), join(folder, `${count}-right`)];
  for (const [path, names] of [
    [originals, left],
    [against, right],
  ] as const) {
    await mkdir(path);
    for (const name of names) await writeFile(join(path, name), `${path}${name}`);
  }
  const warnings: string[] = [];
  const pairs = await pairVideos([originals], against, (text) => warnings.push(text));
  return { pairs: pairs.map(({ name, other }) => `${name} ${relative(against, other!)}`), warnings: warnings.length };
}

describe("pairVideos", () => {
  it("takes the same name first, then the same stem", async () => {
    expect(await paired(["a.mkv", "a.mp4", "b.avi"], ["a.mkv", "a.mp4", "b.mp4"])).toEqual({
      pairs: ["a.mkv a.mkv", "a.mp4 a.mp4", "b.avi b.mp4"],
      warnings: 0,
    });
    expect(await paired(["a.mkv", "a.mp4"], ["a.webm", "a.mp4"])).toEqual({
      pairs: ["a.mkv a.webm", "a.mp4 a.mp4"],
      warnings: 0,
    });
  });

  it("never gives one reconstruction to two originals", async () => {
    await expect(paired(["a.mkv", "a.mp4"], ["a.mp4"])).rejects.toMatchObject({
      code: "input",
      sentence: expect.stringContaining("1 original of 2 have none; the first is a.mkv") as string,
    });
  });

  it.each([
    [["a.mkv"], ["a.mp4", "a.webm"]],
    [["a.mkv", "a.avi"], ["a.mp4"]],
  ])("refuses %j and %j by name, since the stem does not say which", async (left, right) => {
    await expect(paired(left, right)).rejects.toMatchObject({
      code: "input",
      sentence: expect.stringContaining("give both the same name") as string,
    });
  });

  it("warns of reconstructions without an original", async () => {
    expect(await paired(["a.mp4"], ["a.mp4", "b.mp4", "c.mp4"])).toEqual({ pairs: ["a.mp4 a.mp4"], warnings: 1 });
  });
});

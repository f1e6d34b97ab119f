import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pathWithin } from "./index.js";

let root = "";
let folder = "";

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "coordtok-within-"));
  folder = join(root, "folder");
  for (const name of ["folder/inner", "outside"]) mkdirSync(join(root, name), { recursive: true });
  for (const name of ["folder/inner/a.png", "outside/b.png"]) writeFileSync(join(root, name), "");
  symlinkSync(join(root, "outside"), join(folder, "away"));
  symlinkSync("../outside/b.png", join(folder, "b.png"));
  symlinkSync(join(root, "outside", "to-come.png"), join(folder, "dangling.png"));
  symlinkSync("inner", join(folder, "within"));
  symlinkSync(join(root, "folder-beside"), join(folder, "prefix"));
  mkdirSync(join(root, "folder-beside"));
  symlinkSync(folder, join(root, "link-to-folder"));
});

afterAll(() => rmSync(root, { recursive: true }));

describe("a path from a name in a file", () => {
  it.each(["a.png", "inner/a.png", "inner/deep/to-come.png", "within/a.png", "..a", "a..b/...", "ü 動.png"])(
    "is below the folder: %s",
    async (name) => {
      expect(await pathWithin(folder, name)).toBe(join(folder, name));
      expect(await pathWithin(join(root, "link-to-folder"), name)).toBe(join(root, "link-to-folder", name));
      expect(await pathWithin(join(root, "not-yet"), name)).toBe(join(root, "not-yet", name));
    },
  );

  it.each([
    ["../outside/b.png"],
    ["inner/../../outside/b.png"],
    [".."],
    ["."],
    [""],
    ["/etc/passwd"],
    ["inner//a.png"],
    ["inner/"],
    ["a\0.png"],
    [3],
    [undefined],
    [null],
    [["inner", "a.png"]],
    [{ toString: () => "a.png" }],
  ])("is refused where the name is %j", async (name) => {
    await expect(pathWithin(folder, name)).rejects.toMatchObject({
      code: "file-format",
      message: expect.stringContaining(`Expected the name of a file below "${folder}"`) as string,
    });
  });

  it.each(["away/b.png", "away", "b.png", "dangling.png", "away/to-come.png", "prefix/a.png"])(
    "does not lead out of the folder by a symbolic link: %s",
    async (name) => {
      await expect(pathWithin(folder, name)).rejects.toMatchObject({
        code: "file-format",
        message: expect.stringContaining("a symbolic link that leads out of it") as string,
      });
    },
  );
});

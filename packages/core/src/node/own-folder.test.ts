import { link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adoptFolder, claimFolder, type FolderOwner } from "./own-folder.js";
import { checkOutput } from "./write-file.js";

let root = "";
let count = 0;
const mark = ".coordtok.json";

const bakery: FolderOwner = {
  command: "bakery",
  entries: [{ name: "bread.txt" }, { name: /roll-\d+\.txt/ }, { name: "oven", entries: [{ name: /tray-\d/ }] }],
  made: async (path) => (await readFile(join(path, "bread.txt"), "utf8").catch(() => "")) === "bread of the bakery",
};

/** A folder with files of these names and texts. */
async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const path = join(root, `f${count++}`);
  await mkdir(path);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(path, name, ".."), { recursive: true });
    await writeFile(join(path, name), text);
  }
  return path;
}

async function namesIn(path: string): Promise<string[]> {
  return (await readdir(path, { recursive: true })).sort();
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "coordtok-own-"));
});

afterAll(async () => {
  await rm(root, { recursive: true });
});

describe("claimFolder", () => {
  it("makes a new folder, and takes an empty one and its own again, with a mark that names the command", async () => {
    const made = join(root, "new", "below");
    for (const path of [made, await folderOf({}), made]) {
      await claimFolder(path, bakery);
      expect(await namesIn(path)).toEqual([mark]);
      expect(JSON.parse(await readFile(join(path, mark), "utf8"))).toEqual({
        kind: "coordtok.folder",
        version: 1,
        command: "bakery",
      });
    }
  });

  it("refuses a folder of other things, names three of them, and writes nothing", async () => {
    const path = await folderOf({ a: "", b: "", c: "", d: "", "bread.txt": "bread of the bakery" });
    await expect(claimFolder(path, bakery)).rejects.toMatchObject({
      code: "file-exists",
      sentence: `"${path}" holds "a", "b", "c" and 1 more, which bakery did not make; choose a new or an empty folder.`,
      options: { out: undefined },
    });
    expect(await namesIn(path)).toEqual(["a", "b", "bread.txt", "c", "d"]);
  });

  it("refuses names of its own that it did not make", async () => {
    const path = await folderOf({ "bread.txt": "somebody's", "oven/tray-1": "" });
    await expect(claimFolder(path, bakery)).rejects.toMatchObject({ code: "file-exists" });
    expect(await namesIn(path)).toEqual(["bread.txt", "oven", "oven/tray-1"]);
  });

  it("adopts what it made before there were marks", async () => {
    const path = await folderOf({ "bread.txt": "bread of the bakery", "roll-12.txt": "" });
    await claimFolder(path, bakery);
    expect(await namesIn(path)).toEqual([mark, "bread.txt", "roll-12.txt"]);
    const other = await folderOf({ "bread.txt": "somebody's" });
    await adoptFolder(other, bakery);
    expect(await namesIn(other)).toEqual(["bread.txt"]);
  });

  it.each([
    ["a folder where it writes a file", { "bread.txt/x": "" }],
    ["a file where it makes a folder", { oven: "" }],
    ["another thing in its folder below", { "oven/cat": "" }],
    ["a name that only begins like one of its own", { "roll-1.txt.old": "" }],
  ])("refuses %s, although the folder has its mark", async (_, files) => {
    const path = await folderOf({});
    await claimFolder(path, bakery);
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(path, name, ".."), { recursive: true });
      await writeFile(join(path, name), text);
    }
    await expect(claimFolder(path, bakery)).rejects.toMatchObject({ code: "file-exists" });
  });

  it("lets other things lie beside when it goes on with its own", async () => {
    const path = await folderOf({});
    await claimFolder(path, bakery);
    await writeFile(join(path, "log.txt"), "");
    await claimFolder(path, bakery, { resumes: true });
    const strange = await folderOf({ "log.txt": "" });
    await expect(claimFolder(strange, bakery, { resumes: true })).rejects.toMatchObject({ code: "file-exists" });
  });

  it("refuses the results of another command, but takes its empty folder", async () => {
    const smith: FolderOwner = { command: "smith", entries: [{ name: "bread.txt" }], made: async () => true };
    const path = await folderOf({});
    await claimFolder(path, smith);
    await claimFolder(path, bakery);
    await writeFile(join(path, "bread.txt"), "");
    await expect(claimFolder(path, smith)).rejects.toMatchObject({
      sentence: expect.stringContaining("holds results of bakery, not of smith") as string,
    });
  });

  it.each(["{", "[]", '{"kind":"coordtok.folder","version":9,"command":"bakery"}', '{"kind":3}'])(
    "refuses the mark %s",
    async (text) => {
      const path = await folderOf({ [mark]: text });
      await expect(claimFolder(path, bakery)).rejects.toMatchObject({ code: "file-format" });
      expect(await readFile(join(path, mark), "utf8")).toBe(text);
    },
  );

  it("writes a mark that is cut off anew where it knows its folder", async () => {
    const path = await folderOf({ [mark]: "{", "bread.txt": "bread of the bakery" });
    await claimFolder(path, bakery);
    expect(JSON.parse(await readFile(join(path, mark), "utf8"))).toMatchObject({ command: "bakery" });
  });

  it("refuses inputs that it would write over, also behind links, and an input that is the folder", async () => {
    const path = await folderOf({});
    await claimFolder(path, bakery);
    await writeFile(join(path, "bread.txt"), "bread of the bakery");
    const [soft, hard] = [join(root, "soft"), join(root, "hard")];
    await symlink(join(path, "bread.txt"), soft);
    await link(join(path, "bread.txt"), hard);
    for (const input of [join(path, "bread.txt"), soft, hard, path])
      await expect(claimFolder(path, bakery, { inputs: [undefined, "missing", input] })).rejects.toMatchObject({
        code: "file-exists",
        sentence: expect.stringContaining(`the input "${input}"`) as string,
      });
    await claimFolder(path, bakery, { inputs: ["missing"] });
  });

  it("is won by one of two commands, and by both processes of one", async () => {
    const path = await folderOf({});
    await Promise.all([claimFolder(path, bakery), claimFolder(path, bakery), claimFolder(path, bakery)]);
    expect(await namesIn(path)).toEqual([mark]);
  });
});

describe("checkOutput", () => {
  it("refuses an output that is an input, also with overwrite and through links", async () => {
    const path = join(root, "clip.mp4");
    await writeFile(path, "film");
    await symlink(path, join(root, "link.mp4"));
    for (const output of [path, join(root, "link.mp4"), `${root}/./clip.mp4`])
      await expect(checkOutput(output, { overwrite: true, inputs: [undefined, path] })).rejects.toMatchObject({
        code: "file-exists",
        sentence: expect.stringContaining("the same file as the input") as string,
      });
    await checkOutput(path, { overwrite: true, inputs: [join(root, "missing"), undefined] });
    await checkOutput(join(root, "other.mp4"), { inputs: [path] });
  });
});

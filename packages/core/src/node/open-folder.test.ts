import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { removeLeftovers, temporaryPathFor } from "./leftovers.js";
import { openFolder, settleFolder, type OpenFolder } from "./open-folder.js";
import type { FolderOwner } from "./own-folder.js";
import { ownProcess } from "./process-identity.js";
import { writeAtomically } from "./write-file.js";

const bakery: FolderOwner = {
  command: "bakery",
  entries: [{ name: "index.txt" }, { name: /roll-\d+\.txt/ }, { name: "oven", entries: [{ name: /tray-\d/ }] }],
  made: async () => false,
};

let root = "";
let path = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "coordtok-open-"));
  path = join(root, "out");
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** All files below a folder that are no marks and locks, with their texts. */
async function filesIn(folder: string): Promise<Record<string, string>> {
  const items = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = items.filter((item) => item.isFile() && !/\.coordtok\.(?:json|.*lock)$/.test(item.name));
  const read = files.map(async (item): Promise<[string, string]> => {
    const full = join(item.parentPath, item.name);
    return [full.slice(folder.length + 1), await readFile(full, "utf8")];
  });
  return Object.fromEntries(await Promise.all(read));
}

async function bake(place: string, text: string): Promise<void> {
  await mkdir(join(place, "oven"), { recursive: true });
  for (const name of ["roll-1.txt", "oven/tray-1", `oven/tray-${text.length}`, "index.txt"])
    await writeFile(join(place, name), text);
}

async function finished(text: string, options: object = {}): Promise<void> {
  await using folder = await openFolder(path, bakery, options);
  await bake(folder.place, text);
  await folder.finish();
}

/** What {@link bake} leaves. */
function baked(text: string): Record<string, string> {
  const names = ["roll-1.txt", "oven/tray-1", `oven/tray-${text.length}`, "index.txt"];
  return Object.fromEntries(names.map((name) => [name, text]));
}

describe("openFolder", () => {
  it("locks the folder for one run at a time and leaves no lock behind", async () => {
    const first = await openFolder(path, bakery);
    await expect(openFolder(path, bakery)).rejects.toMatchObject({
      code: "file-exists",
      sentence: expect.stringContaining(`"${path}" is in use: process ${process.pid}`) as string,
    });
    await first[Symbol.asyncDispose]();
    await (await openFolder(path, bakery))[Symbol.asyncDispose]();
    expect(await readdir(path)).toEqual([".coordtok.json"]);
  });

  it("lets different parts work at once, but no part twice, and no part beside the whole", async () => {
    const opened: OpenFolder[] = [];
    for (const part of ["1of2", "2of2"]) opened.push(await openFolder(path, bakery, { part }));
    await expect(openFolder(path, bakery, { part: "2of2" })).rejects.toMatchObject({
      sentence: expect.stringContaining(`Part 2/2 of "${path}" is in use`) as string,
    });
    await expect(openFolder(path, bakery)).rejects.toMatchObject({ code: "file-exists" });
    for (const one of opened) await one[Symbol.asyncDispose]();
    await using whole = await openFolder(path, bakery);
    await whole.check();
    await expect(openFolder(path, bakery, { part: "1of2" })).rejects.toMatchObject({ code: "file-exists" });
    expect((await readdir(path)).sort()).toEqual([".coordtok.json", ".coordtok.lock"]);
  });

  it("keeps the old results until the new ones are complete, and what lies beside them for ever", async () => {
    await finished("old");
    await writeFile(join(path, "notes"), "mine");
    await using folder = await openFolder(path, bakery, { replaces: true, resumes: true });
    await bake(folder.place, "newer");
    const { notes, ...before } = await filesIn(path);
    expect([notes, before]).toMatchObject(["mine", baked("old")]);
    await folder.finish();
    expect(await filesIn(path)).toEqual({ ...baked("newer"), notes: "mine" });
    expect((await readdir(path)).sort()).toEqual([
      ".coordtok.json",
      ".coordtok.lock",
      "index.txt",
      "notes",
      "oven",
      "roll-1.txt",
    ]);
  });

  it("removes new results that are not finished, or goes on with them when asked to", async () => {
    await finished("old");
    const goesOn = async (unfinished: string): Promise<boolean> => existsSync(join(unfinished, "roll-1.txt"));
    for (const [expected, next] of [
      [false, {}],
      [false, { goesOn }],
      [true, { goesOn }],
    ] as const) {
      await using folder = await openFolder(path, bakery, { replaces: true, ...next });
      expect(existsSync(join(folder.place, "roll-1.txt"))).toBe(expected);
      await bake(folder.place, "half");
    }
    await (await openFolder(path, bakery))[Symbol.asyncDispose]();
    expect(await filesIn(path)).toEqual(baked("old"));
    expect(existsSync(join(path, ".coordtok.new"))).toBe(false);
  });

  it("refuses to replace a folder that holds other things among the results", async () => {
    await finished("old");
    await writeFile(join(path, "oven", "cat"), "");
    await expect(openFolder(path, bakery, { replaces: true, resumes: true })).rejects.toMatchObject({
      code: "file-exists",
      sentence: expect.stringContaining('"oven/cat"') as string,
    });
    expect(await readdir(path)).not.toContain(".coordtok.new");
  });
});

describe("a replacement that is interrupted", () => {
  /** The states of the folder before each of the steps of a replacement, as a killed run leaves them. */
  async function states(): Promise<string[]> {
    const made: string[] = [];
    const keep = async (): Promise<void> => {
      const copy = join(root, `state-${made.length}`);
      await cp(path, copy, { recursive: true });
      made.push(copy);
    };
    const [next, old] = [join(path, ".coordtok.new"), join(path, ".coordtok.old")];
    await keep();
    await writeAtomically(join(next, ".coordtok.complete"), "");
    await keep();
    await mkdir(old);
    await keep();
    for (const name of ["index.txt", "oven", "roll-1.txt"]) {
      await rename(join(path, name), join(old, name));
      await keep();
    }
    await writeAtomically(join(old, ".coordtok.complete"), "");
    await keep();
    for (const name of ["oven", "roll-1.txt", "index.txt"]) {
      await rename(join(next, name), join(path, name));
      await keep();
    }
    await rm(join(next, ".coordtok.complete"));
    await keep();
    await rm(join(old, ".coordtok.complete"));
    await keep();
    await rm(old, { recursive: true });
    await keep();
    await rm(join(next, ".coordtok.json"));
    await keep();
    return made;
  }

  it(
    "leaves the old or the new results whole at every step, never some of each, and is completed by the next run and by readers",
    { timeout: 60_000 },
    async () => {
      await finished("old");
      const folder = await openFolder(path, bakery, { replaces: true, goesOn: async () => true });
      await bake(folder.place, "newer");
      await folder[Symbol.asyncDispose]();
      const all = await states();
      expect(all).toHaveLength(14);
      for (const [step, state] of all.entries()) {
        const seen = Object.entries(await filesIn(state)).filter(([name]) => !name.startsWith("."));
        expect(new Set(seen.map(([, text]) => text)).size, `step ${step}`).toBeLessThanOrEqual(1);
        const expected = baked(step === 0 ? "old" : "newer");
        const read = `${state}-read`;
        await cp(state, read, { recursive: true });
        await (await openFolder(state, bakery))[Symbol.asyncDispose]();
        expect(await filesIn(state), `step ${step}`).toEqual(expected);
        expect(await readdir(state)).not.toContain(".coordtok.new");
        expect(await readdir(state)).not.toContain(".coordtok.old");
        await settleFolder(read, bakery);
        for (const [name, text] of Object.entries(expected))
          expect(await readFile(join(read, name), "utf8"), `step ${step}`).toBe(text);
      }
    },
  );
});

describe("what a run that was killed has left", () => {
  const dead = spawnSync("true").pid;
  const named = (folder: string, name: string, owner: object): string => {
    const { place, pid, started } = { ...ownProcess(), ...owner };
    const start = started === "" ? "" : Number(started).toString(36);
    return join(folder, `.${name}.${place}-${pid.toString(36)}-${start}-0badcafe.partial.txt`);
  };

  it("is removed by the next run that writes there, and what living and unknown ones write stays", async () => {
    await mkdir(path);
    const gone = [named(path, "a", { pid: dead }), named(path, "b.c", { started: "1" })];
    const stays = [temporaryPathFor(join(path, "a.txt")), named(path, "a", { place: "0123456789abcdef" })];
    stays.push(join(path, ".a.0123456789ab.partial.txt"), join(path, "partial.txt"));
    for (const file of [...gone, ...stays]) await writeFile(file, "");
    await mkdir(`${gone[0]}.partial.png`);
    await mkdir(named(path, "pictures", { pid: dead }));
    await writeFile(join(named(path, "pictures", { pid: dead }), "000001.png"), "");
    await writeAtomically(join(path, "new"), "");
    for (const file of gone) expect(existsSync(file), file).toBe(false);
    for (const file of stays) expect(existsSync(file), file).toBe(true);
    expect(existsSync(named(path, "pictures", { pid: dead }))).toBe(false);
    await removeLeftovers(path, 0);
    expect(existsSync(stays[1]!)).toBe(false);
  });

  it("is removed from the folders of a command when it opens its folder", async () => {
    await finished("old");
    const left = [named(join(path, "oven"), "tray-1", { pid: dead }), named(path, "index", { pid: dead })];
    for (const file of left) await writeFile(file, "");
    await (await openFolder(path, bakery))[Symbol.asyncDispose]();
    for (const file of left) expect(existsSync(file)).toBe(false);
  });
});

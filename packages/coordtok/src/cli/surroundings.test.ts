import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commands } from "./commands/index.js";
import { runCli } from "./testdata/run-cli.js";

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-surroundings-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a current folder that was removed", () => {
  // It is removed before the program of the command loads, and after the loader of TypeScript, which does not stand it.
  const removal = (gone: string): string => `
    import { mkdirSync, rmdirSync } from "node:fs";
    mkdirSync(${JSON.stringify(gone)}, { recursive: true });
    process.chdir(${JSON.stringify(gone)});
    rmdirSync(${JSON.stringify(gone)});`;

  it("is one sentence, also as JSON, before any command begins", { timeout: 120_000 }, async () => {
    await writeFile(join(folder, "remove.mjs"), removal(join(folder, "gone")));
    const preload = pathToFileURL(join(folder, "remove.mjs")).href;
    const names = [commands[0]!.name, "doctor"];
    for (const name of names) {
      const { code, stdout, stderr } = await runCli([name, "--json"], { cwd: folder, preload });
      const message = "The current folder does not exist any more; change to another folder and run the command again.";
      expect([name, code, stderr]).toEqual([name, 1, `${message}\n`]);
      expect(JSON.parse(stdout)).toEqual({ error: { code: "file-not-found", message } });
    }
  });
});

describe("a folder for temporary files that is missing", () => {
  it("is nothing to commands that need none, and one sentence to others", { timeout: 120_000 }, async () => {
    await writeFile(join(folder, "clip.mp4"), "no video");
    const env = { TMPDIR: join(folder, "missing") };
    const { code, stderr } = await runCli(["info", "clip.mp4"], { cwd: folder, env });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^[^\n]*clip\.mp4[^\n]*\n$/)]);
  });
});

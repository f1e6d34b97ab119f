import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkpointPath, openFileSource, resolveCheckpoint, sha256OfFile, withNewest } from "./index.js";

let run = "";
beforeAll(() => {
  run = mkdtempSync(join(tmpdir(), "coordtok-newest-"));
  mkdirSync(join(run, "checkpoints"));
});
afterAll(() => rmSync(run, { recursive: true }));

/** A training that keeps one checkpoint and saves the next as soon as one was looked for. */
let step = 0;
function save(): void {
  writeFileSync(checkpointPath(run, ++step), `weights of step ${step}`);
  for (const name of readdirSync(join(run, "checkpoints")))
    if (join(run, "checkpoints", name) !== checkpointPath(run, step)) rmSync(join(run, "checkpoints", name));
}

describe("the newest checkpoint of a training that runs", () => {
  it("is opened although the one found first is removed meanwhile", async () => {
    for (let trial = 0; trial < 150; trial++) {
      save();
      let removals = trial % 5;
      const opened = await withNewest(run, async () => {
        const path = await resolveCheckpoint(run);
        await pause(0);
        if (removals-- > 0) save();
        await (await openFileSource(path)).close();
        return { path, sha256: await sha256OfFile(path) };
      });
      expect(opened.path).toBe(checkpointPath(run, step));
    }
  });

  it("is not looked for again when another file is missing, or the folder stays without one", async () => {
    let calls = 0;
    const call = async (path: string): Promise<void> => {
      calls++;
      await (await openFileSource(path)).close();
    };
    await expect(withNewest(run, () => call("/nowhere/clip.mp4"))).rejects.toMatchObject({ code: "file-not-found" });
    await expect(withNewest(undefined, () => call(checkpointPath(run, 1)))).rejects.toThrow("There is no file");
    expect(calls).toBe(2);
    await expect(withNewest(run, () => call(checkpointPath(run, 1)))).rejects.toThrow("There is no file");
    expect(calls).toBeLessThan(100);
  });
});

import { mkdtempSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkStored, isSameSource, sourceIdentitySchema } from "../checks/index.js";
import { identifySource, sha256OfFile } from "./index.js";

let folder = "";
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), "coordtok-source-"))));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("the content of a source", () => {
  it("is its size and the SHA-256 of the whole file, under any name and at any time", async () => {
    const [one, copy] = [file("a.mp4", "abc"), file("b.mp4", "abc")];
    utimesSync(copy, 1, 1);
    const identity = await identifySource(one);
    expect(identity).toMatchObject({ bytes: 3, of: "whole", sha256: await sha256OfFile(one) });
    expect(isSameSource(identity, await identifySource(copy))).toBe(true);
  });

  it("differs for a file of the same size with other bytes", async () => {
    const before = await identifySource(file("c.mp4", "abc"));
    const after = await identifySource(file("c.mp4", "abd"), { known: { ...before, modifiedMs: 1 } });
    expect(isSameSource(before, after)).toBe(false);
  });

  it("is not read again while size and time are those of the record", async () => {
    const path = file("d.mp4", "abc");
    const recorded = { ...(await identifySource(path)), sha256: "0".repeat(64) };
    expect(await identifySource(path, { known: recorded })).toBe(recorded);
    file("d.mp4", "abcd");
    expect(await identifySource(path, { known: recorded })).toMatchObject({ bytes: 4, of: "whole" });
  });

  it("is that of both ends for a file above 64 MiB, and says so", async () => {
    const path = file("film.mp4", "begin");
    truncateSync(path, 2 ** 26 + 1);
    const first = await identifySource(path);
    expect(first.of).toBe("ends");
    const handle = await open(path, "r+");
    await handle.write("end", 2 ** 26 - 2);
    await handle.close();
    expect(isSameSource(first, await identifySource(path))).toBe(false);
  });

  it("is read back as it was stored, and refused with another hash than SHA-256", async () => {
    const identity = await identifySource(file("e.mp4", "abc"));
    expect(checkStored(sourceIdentitySchema, JSON.parse(JSON.stringify(identity)), "x")).toEqual(identity);
    expect(() => checkStored(sourceIdentitySchema, { ...identity, sha256: "abc" }, '"x"')).toThrow(/sha256 in "x"/);
  });

  it("is an error for a file that is not there", async () => {
    await expect(identifySource(join(folder, "none.mp4"))).rejects.toMatchObject({ code: "file-not-found" });
  });
});

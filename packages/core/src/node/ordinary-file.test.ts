import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openFileSource, openOrdinaryFile, readText, readTextIfThere, sha256OfFile } from "./index.js";

let folder = "";
let server: Server | undefined;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-ordinary-"));
  if (process.platform === "win32") return;
  execFileSync("mkfifo", [join(folder, "pipe")]);
  symlinkSync("pipe", join(folder, "link"));
  const opened = createServer();
  server = opened;
  await new Promise<void>((resolve) => opened.listen(join(folder, "socket"), resolve));
});

afterAll(() => {
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const readers = {
  openOrdinaryFile: async (path: string) => (await openOrdinaryFile(path)).handle.close(),
  openFileSource: async (path: string) => (await openFileSource(path)).close(),
  sha256OfFile: (path: string) => sha256OfFile(path),
  readText: (path: string) => readText(path),
  readTextIfThere: (path: string) => readTextIfThere(path),
} as const;

const special = [
  ["pipe", "a pipe"],
  ["link", "a pipe"],
  ["socket", "a socket"],
  [".", "a folder"],
  ["/dev/zero", "a device"],
  ["/dev/tty", "a device"],
  ["/proc/self/pagemap", "a file that the kernel generates"],
  ["/proc/self/mem", "a file that the kernel generates"],
  ["/proc/self/cmdline", "a file that the kernel generates"],
  ["/sys/kernel/uevent_seqnum", "a file that the kernel generates"],
] as const;

describe.each(Object.entries(readers))("%s", (_name, read) => {
  it.each(special)("refuses %s as %s, at once", async (name, what) => {
    const path = name.startsWith("/") ? name : join(folder, name);
    const error = await read(path).then(
      () => undefined,
      (thrown: unknown) => thrown as Error & { code: string },
    );
    const code = existsSync(path) || name === "socket" ? "file-read" : "file-not-found";
    expect([error?.code, error?.message]).toEqual([code, expect.stringContaining(code === "file-read" ? what : name)]);
  });
});

describe("readText", () => {
  it("reads text as UTF-8, and refuses a file that is too large", async () => {
    const path = join(folder, "text");
    writeFileSync(path, "größer");
    expect(await readText(path)).toBe("größer");
    expect(await readText(path, { mostBytes: 8 })).toBe("größer");
    await expect(readText(path, { mostBytes: 7 })).rejects.toMatchObject({
      code: "file-format",
      message: `Expected a text file of at most 7 B, but "${path}" has 8 B.`,
    });
    expect(await readTextIfThere(join(folder, "none"))).toBeUndefined();
  });
});

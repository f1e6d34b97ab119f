import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTar } from "nanotar";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tarMembers } from "./tar-members.js";

let folder = "";
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "coordtok-tar-"))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function read(bytes: Uint8Array): Promise<string[]> {
  const source = {
    size: bytes.length,
    read: (offset: number, length: number) => Promise.resolve(bytes.slice(offset, offset + length)),
  };
  const found: string[] = [];
  for await (const { name, begin, bytes: length } of tarMembers(source, "x.tar"))
    found.push(`${name}=${Buffer.from(bytes.subarray(begin, begin + length)).toString()}`);
  return found;
}

/** An archive with the header of its first member changed, and its sum corrected. */
function changed(change: (header: Uint8Array) => void, name = "a.mp4"): Uint8Array {
  const tar = createTar([{ name, data: new TextEncoder().encode("content") }]).slice();
  change(tar);
  tar.fill(32, 148, 156);
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  tar.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  return tar;
}

const type = (letter: string) => (header: Uint8Array) => void (header[156] = letter.charCodeAt(0));
const size = (text: string) => (header: Uint8Array) => header.set(new TextEncoder().encode(text.padEnd(12, "\0")), 124);

describe("the members of a tar archive", () => {
  it.each(["ustar", "pax", "gnu", "v7"])("are read as tar writes them in the format %s", async (format) => {
    const long = format === "v7" ? "long" : `${"d".repeat(90)}/${"e".repeat(90)}`;
    mkdirSync(join(folder, format, long), { recursive: true });
    for (const name of ["a.mp4", "b.json", `${long}/c.mp4`])
      writeFileSync(join(folder, format, name), `${name} ${"x".repeat(700)}`);
    const tar = join(folder, `${format}.tar`);
    execFileSync("tar", [`--format=${format}`, "-cf", tar, "-C", join(folder, format), "a.mp4", "b.json", long]);
    expect(await read(readFileSync(tar))).toEqual(
      ["a.mp4", "b.json", `${long}/c.mp4`].map((name) => `${name}=${name} ${"x".repeat(700)}`),
    );
  });

  it("may have any names, which are labels only", async () => {
    const names = ["/etc/passwd", "../../up.mp4", "ümlaut.mp4", "a b;c$(d).mp4"];
    expect(await read(createTar(names.map((name) => ({ name, data: new Uint8Array(0) }))))).toEqual(
      names.map((name) => `${name}=`),
    );
  });

  it("of no bytes, or of zeros alone, are none", async () => {
    expect(await read(new Uint8Array(1024))).toEqual([]);
    await expect(read(new Uint8Array(100))).rejects.toThrow("it is too short");
  });

  it.each<[string, () => Uint8Array]>([
    ["a link", () => changed(type("2"))],
    ["a link", () => changed(type("1"))],
    ["a device", () => changed(type("3"))],
    ["longer than the rest", () => changed(size("77777777777"))],
    ["longer than the rest", () => changed(size("-1"))],
    ["longer than the rest", () => changed((header) => header.set([0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 124))],
    ["longer than the rest", () => createTar([{ name: "a", data: new Uint8Array(2000) }]).slice(0, 1024)],
    [
      "take 1048576 bytes",
      () =>
        Buffer.concat([
          changed((header) => {
            type("x")(header);
            size("4000000")(header);
          }),
          new Uint8Array(2 ** 20),
        ]),
    ],
    ["the attributes at byte 512 are damaged", () => changed(type("x"))],
    ["no usable name", () => changed((header) => header.fill(0, 0, 100))],
    [
      "its header at byte 1024 is damaged",
      () => {
        const tar = changed(() => undefined).slice(0, 1536);
        tar[1030] = 7;
        return tar;
      },
    ],
    ["does not begin with a header", () => new TextEncoder().encode("no archive ".repeat(100))],
    ["it is compressed", () => new Uint8Array(1024).fill(0x8b).fill(0x1f, 0, 1)],
  ])("are refused with %s", async (problem, make) => {
    await expect(read(make())).rejects.toMatchObject({
      code: "file-format",
      sentence: expect.stringContaining(problem) as string,
    });
  });

  it("that are links on disk are refused as well", async () => {
    symlinkSync("/etc/passwd", join(folder, "link.mp4"));
    execFileSync("tar", ["-cf", join(folder, "link.tar"), "-C", folder, "link.mp4"]);
    await expect(read(readFileSync(join(folder, "link.tar")))).rejects.toThrow("is a link");
  });
});

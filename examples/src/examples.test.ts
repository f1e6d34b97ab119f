import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-examples-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function run(name: string, ...args: string[]): Promise<string> {
  const file = fileURLToPath(new URL(name, import.meta.url));
  const node = ["--import", tsx, "--conditions=@coordtok/source", file, ...args];
  const { stdout } = await promisify(execFile)(process.execPath, node, { cwd: folder });
  return stdout;
}

describe("the examples, run in order in one folder", () => {
  it("03 trains a tokenizer on a synthetic clip", { timeout: 240_000 }, async () => {
    expect(await run("03-train-a-small-tokenizer.ts", "12")).toMatch(/12 steps, loss/);
    expect(existsSync(join(folder, "runs/first/curve.svg"))).toBe(true);
  });

  it("01 reconstructs a clip", { timeout: 240_000 }, async () => {
    const output = await run("01-reconstruct-a-clip.ts", "synthetic.mp4", "runs/first");
    expect(output).toMatch(/16 frames became 192 tokens/);
    expect(await readdir(join(folder, "reconstruction"))).toContain("side-by-side.mp4");
  });

  it("02 encodes to a file and decodes one frame", { timeout: 120_000 }, async () => {
    expect(await run("02-encode-to-a-file-decode-one-frame.ts", "synthetic.mp4", "runs/first")).toMatch(
      /frame 5 of 32x32/,
    );
    expect(existsSync(join(folder, "frame.png"))).toBe(true);
  });

  it("05 generates clips", { timeout: 60_000 }, async () => {
    for (const name of ["one", "other"]) {
      await mkdir(join(folder, "videos", name), { recursive: true });
      await copyFile(join(folder, "synthetic.mp4"), join(folder, "videos", name, "a.mp4"));
    }
    const output = await run("05-generate-clips.ts", "videos", "runs/first", "10");
    expect(output).toMatch(/4 clips of one, other\nstep 10 of 10: loss/);
    expect(output).toContain("2 videos of 16 frames");
    expect(await readdir(join(folder, "samples"))).toEqual(["sample-0000.mp4", "sample-0001.mp4", "strip.png"]);
  });

  it("04 uses the core without files and leaves no tensor", { timeout: 60_000 }, async () => {
    const output = await run("04-core-in-your-own-project.ts");
    expect(output).toContain("decoded [1, 2, 16, 16, 3]");
    expect(output).toContain("\n0 tensors left");
  });
});

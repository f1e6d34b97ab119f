import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { trainDefaults as diffusionDefaults } from "@coordtok/diffusion/train";
import { trainDefaults as tokenizerDefaults } from "@coordtok/tokenizer/train";
import { runCli } from "./testdata/run-cli.js";
import { commands } from "./commands/index.js";
import { runProgram } from "./run-program.js";

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-usage-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** Runs a command line in this process, for tests that need no process of their own. */
async function runHere(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((...args: unknown[]) => {
      written[name] += String(args[0]);
      const after = args.at(-1);
      if (typeof after === "function") (after as () => void)();
      return true;
    }),
  );
  try {
    return { code: await runProgram(args), ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

describe("the command line", () => {
  it("names the nearest flag for an unknown one and ends with 2", { timeout: 60_000 }, async () => {
    const { code, stderr, stdout } = await runCli(["encode", "a.mp4", "--chekpoint", "b"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("--checkpoint");
  });

  it("with --json tells wrong usage as JSON as well, and help as text", async () => {
    for (const args of [
      ["encode", "a.mp4", "--chekpoint", "b", "--json"],
      ["train-tokenizer", "--json"],
    ]) {
      const { code, stdout } = await runHere(args);
      expect([code, JSON.parse(stdout)]).toEqual([
        2,
        { error: { code: "usage", message: expect.any(String) as string } },
      ]);
    }
    expect((await runHere(["encode", "--json", "--help"])).stdout).toContain("Examples:");
  });

  it("writes out control characters of names and errors", async () => {
    const name = "a\u001b[31mb\nc\u202e.mp4";
    const { stderr, stdout, code } = await runHere(["info", name]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toBe('There is no file "a\\u001b[31mb\\nc\\u202e.mp4".\n');
  });

  it("names the nearest command for an unknown one and ends with 2", async () => {
    const { code, stderr } = await runHere(["reconstrct", "a.mp4"]);
    expect(code).toBe(2);
    expect(stderr).toContain("reconstruct");
  });

  it.each([
    ["train", "train-tokenizer or train-diffusion"],
    ["help", "coordtok COMMAND --help"],
    ["version", "--version"],
    ["-V", "--version"],
  ])("%s is refused with 2 and what is meant", async (word, meant) => {
    const { code, stderr, stdout } = await runHere([word]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(new RegExp(`unknown command '${word}'\\n\\(Did you mean .*${meant}\\?\\)`));
  });

  it.each([
    [["train-tokenizer", "x", "--steps", "0"], "whole number of at least 1"],
    [["encode", "x", "--refine", "fast"], "a number of steps, for example 20, or seconds"],
    [["reconstruct", "x", "--refine", "1.5"], "a number of steps, for example 20, or seconds"],
    [["train-tokenizer", "x", "--ema", "2"], "from 0 to 1"],
    [["train-tokenizer", "x", "--preset", "tinny"], "did you mean tiny"],
    [["train-tokenizer", "x", "--set", "decoder.layerz=4"], 'did you mean "layers"'],
    [["train-tokenizer"], "Expected a folder or videos"],
    [["train-tokenizer", "x", "--stage", "2"], "--lpips vgg, alex or squeeze"],
    [["train-tokenizer", "x", "--lpips", "squeeze"], "--stage 2"],
    [["evaluate", "x", "--statistics", "--merge"], "--statistics and --merge exclude each other"],
    [["evaluate", "x", "--against", "y", "--checkpoint", "z"], "exclude each other"],
    [["evaluate", "x", "--generated", "y", "--lpips", "alex"], "do not apply to generated"],
    [["evaluate", "x", "--against", "y", "--size", "128"], "columns x rows"],
    [["evaluate", "x", "--against", "y", "--shard", "5/4"], "for example 1/4"],
    [["evaluate", "x", "--against", "y", "--part", "1/4", "--shard", "1/4"], "exclude each other"],
    [["encode-dataset", "x", "--part", "auto/2x"], "or auto/n"],
    [["evaluate", "x", "--against", "y", "--protocol", "coordtok-papr"], "did you mean coordtok-paper"],
    [["train-tokenizer", "x", "--steps", "5", "--minutes", "1"], "exclude each other"],
    [["demo", "--steps", "3"], "--steps applies only to training; add --train or leave it out"],
    [["decode", "x.safetensors"], "--out is required"],
    [["decode", "x.safetensors", "--out", "y.mp4", "--frames", "9-3"], "ascending ranges"],
    [["decode", "x.safetensors", "--out", "y.mp4", "--rectangle", "1,2,3"], "top,left,height,width"],
    [["info"], "missing required argument"],
    [["completion", "bsh"], "did you mean bash"],
    [["doctor", "now"], "too many arguments"],
  ])("%j is refused with 2 and one sentence", async (args, part) => {
    const { code, stderr, stdout } = await runHere(args);
    expect(stderr).toContain(part);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect([code, stdout]).toEqual([2, ""]);
  });

  it("fails with 1 and one sentence for unusable files, before long work", async () => {
    await writeFile(join(folder, "text.mp4"), "not a film, only some words");
    for (const [args, part] of [
      [["info", "missing.mp4"], 'no file "missing.mp4"'],
      [["info", join(folder, "text.mp4")], "not a video file"],
      [["encode", "a.mp4", "--checkpoint", "gone.safetensors", "--backend", "wasm"], 'no file "gone.safetensors"'],
      [["train-tokenizer", folder, "--preset", "test", "--backend", "wasm"], "None of the 1 videos"],
    ] as const) {
      const { code, stderr } = await runHere(args);
      expect(stderr).toContain(part);
      expect([args, code]).toEqual([args, 1]);
    }
  });

  it("prints the version, the exit codes and help with an example for every command", async () => {
    expect((await runHere(["--version"])).stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/);
    const versions: unknown = JSON.parse((await runHere(["--version", "--json"])).stdout);
    expect(versions).toMatchObject({
      coordtok: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string,
      node: process.version,
      tfjs: "4.22.0",
      backend: { name: expect.stringMatching(/^(tensorflow|wasm)$/) as string },
      ffmpeg: { version: expect.stringMatching(/\d/) as string },
    });
    expect((await runHere(["--help"])).stdout).toContain("130  stopped by Ctrl-C");
    const { code, stdout } = await runHere(["train-tokenizer", "--help"]);
    expect(code).toBe(0);
    for (const part of ["--learning-rate", "whole number of at least 1", "default", "Examples:"])
      expect(stdout).toContain(part);
    for (const { examples, description } of commands)
      expect([examples.length > 0, description.length > 40]).toEqual([true, true]);
  });

  it.each([
    ["train-tokenizer", { ...tokenizerDefaults, points: tokenizerDefaults.pointsPerClip }],
    ["train-diffusion", diffusionDefaults],
  ] as const)("%s --help shows the defaults of the training", async (command, defaults) => {
    const help = (await runHere([command, "--help"])).stdout.replace(/\s+/g, " ");
    const told = (flag: string): string | undefined =>
      new RegExp(`--${flag} <n> [^(]*\\(default: ([^,)]*)`).exec(help)?.[1];
    const { totalSteps, batchSize, accumulate, learningRate, warmupSteps, clipNorm, emaDecay } = defaults;
    const names = { steps: totalSteps, batch: batchSize, accumulate, "learning-rate": learningRate };
    const rest = { warmup: warmupSteps, clip: clipNorm, ema: emaDecay };
    const own = "points" in defaults ? { points: defaults.points } : { "weight-decay": defaults.weightDecay };
    for (const [flag, value] of Object.entries({ ...names, ...rest, ...own }))
      expect([flag, told(flag)]).toEqual([flag, String(value)]);
  });

  it("ends quietly with 141 when its reader closes the pipe, as head does", { timeout: 30_000 }, async () => {
    const { stderr, code } = await runCli(["evaluate", "--help"], { onStart: (child) => child.stdout?.destroy() });
    expect({ stderr, code }).toEqual({ stderr: "", code: 141 });
  });

  it("drops a literal -- that a package manager passes on, and keeps one that protects a name", async () => {
    expect((await runHere(["--", "info", "gone.mp4"])).stderr).toContain('"gone.mp4"');
    expect((await runHere(["info", "--", "--json", "gone.mp4"])).stdout).toContain('"file-not-found"');
    expect((await runHere(["info", "--", "-gone.mp4"])).stderr).toContain('"-gone.mp4"');
  });
});

describe("doctor", () => {
  it("prints one JSON document with every backend of Node and its reason", { timeout: 120_000 }, async () => {
    const { stdout } = await runHere(["doctor", "--json"]);
    const found = JSON.parse(stdout) as { backends: { name: string; text: string }[]; node: { fine: boolean } };
    expect(found.backends.map(({ name }) => name)).toEqual(["tensorflow", "webgpu", "wasm", "cpu"]);
    for (const { text } of found.backends) expect(text.length).toBeGreaterThan(10);
    expect(found.node.fine).toBe(true);
  });
});

import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { testBackends } from "@coordtok/tools";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { probe, readClip, writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { interruptOnceThereIs, runCli } from "./testdata/run-cli.js";

const common = ["--backend", "wasm"];
const training = [...common, "--preset", "test", "--points", "64", "--seed", "3"];
const native = (await testBackends()).find(({ name }) => name === "tensorflow");
let folder = "";

const run = (...args: string[]): ReturnType<typeof runCli> => runCli(args, { cwd: folder });
const bytesOf = (path: string): Promise<Buffer> => readFile(join(folder, path));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-cli-"));
  const clip = syntheticClip({ frames: 20, height: 48, width: 80, seed: 4 });
  await writeVideo(join(folder, "wide clip.mp4"), framesFromClip(clip, 25), { fps: 25 });
  const other = syntheticClip({ frames: 16, height: 48, width: 80, seed: 5 });
  await writeVideo(join(folder, "held out.mp4"), framesFromClip(other, 25), { fps: 25 });
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("from a video to a triplane and back", () => {
  it("trains in a run folder with configuration, metrics, checkpoints and curves", { timeout: 120_000 }, async () => {
    const { code, stdout, stderr } = await run(
      "train-tokenizer",
      ".",
      ...training,
      "--steps",
      "12",
      "--out",
      "run",
      "--val",
      "held out.mp4",
      "--val-every",
      "6",
    );
    expect([code, stderr.includes("Warning: Left out")]).toEqual([0, false]);
    expect(stderr).toMatch(/Held out, so not trained on: .*held out\.mp4\n/);
    const { videos } = JSON.parse((await bytesOf("run/config.json")).toString()) as { videos: string[] };
    expect(videos.map((path) => basename(path))).toEqual(["wide clip.mp4"]);
    expect(stdout).toContain("step-000012.safetensors");
    const names = await readdir(join(folder, "run"));
    expect(names.sort()).toEqual([
      ".coordtok.json",
      "checkpoints",
      "config.json",
      "curve.png",
      "curve.svg",
      "events.out.tfevents.coordtok",
      "metrics.jsonl",
      "previews",
      "versions.json",
    ]);
    expect((await readdir(join(folder, "run/checkpoints"))).sort()).toEqual([
      "best.safetensors",
      "config.json",
      "step-000012.safetensors",
    ]);
    expect(stdout).toMatch(/waiting for data\s+\d+\.\d % of the time/);
    const lines = (await bytesOf("run/metrics.jsonl")).toString().trim().split("\n");
    expect(lines).toHaveLength(12);
    expect(JSON.parse(lines[11]!)).toMatchObject({ step: 12, validationPsnrDb: expect.any(Number) as number });
  });

  it("refuses to train into a folder that holds a training", { timeout: 120_000 }, async () => {
    const { code, stderr } = await run("train-tokenizer", ".", ...training, "--steps", "2", "--out", "run");
    expect(code).toBe(1);
    expect(stderr).toContain("--resume run");
  });

  it("encodes, says what it took, and refuses a second time without --overwrite", { timeout: 240_000 }, async () => {
    const encode = ["encode", "wide clip.mp4", "--checkpoint", "run", "--out", "a.triplane.safetensors", ...common];
    encode.push("--length", "16");
    const first = await run(...encode);
    expect(first.stderr).toContain("Frames of 80x48 are cropped to the shape 32x32");
    expect([first.code, first.stdout.includes("192 (768 numbers)")]).toEqual([0, true]);
    const second = await run(...encode);
    expect([second.code, second.stderr.includes("--overwrite")]).toEqual([1, true]);
    expect((await run(...encode, "--overwrite", "--quiet")).code).toBe(0);
  });

  it("takes the whole film in windows, and gives every frame of it back", { timeout: 240_000 }, async () => {
    const encode = ["encode", "wide clip.mp4", "--checkpoint", "run", "--out", "film.triplane.safetensors", ...common];
    const encoded = await run(...encode, "--json");
    expect(JSON.parse(encoded.stdout)).toMatchObject({ windows: 2, tokens: 2 * 192, source: { frames: 20 } });
    const decoded = await run("decode", "film.triplane.safetensors", "--out", "film.mkv", ...common, "--json");
    expect(JSON.parse(decoded.stdout)).toMatchObject({ frames: 20, fps: 25, width: 32, height: 32 });
    expect((await run("info", "film.triplane.safetensors")).stdout).toMatch(/film +2 windows, 32x32/);
  });

  it(
    "decodes at another rate, and a rectangle of some frames, and finds the decoder automatically",
    { timeout: 240_000 },
    async () => {
      const whole = await run(
        "decode",
        "a.triplane.safetensors",
        "--out",
        "double.mkv",
        "--fps",
        "50",
        "--json",
        ...common,
      );
      expect(JSON.parse(whole.stdout)).toMatchObject({ frames: 32, fps: 50, width: 32, height: 32 });
      const part = [
        "decode",
        "a.triplane.safetensors",
        "--out",
        "part.mp4",
        "--frames",
        "3,7",
        "--rectangle",
        "4,6,10,20",
      ];
      expect((await run(...part, ...common)).code).toBe(0);
      expect(await probe(join(folder, "part.mp4"))).toMatchObject({ width: 20, height: 10, frameCount: 2 });
    },
  );

  it(
    "a moved triplane without its checkpoint fails with one sentence; one that holds its decoder decodes anywhere",
    { timeout: 240_000 },
    async () => {
      const encode = ["encode", "wide clip.mp4", "--checkpoint", "run", "--dtype", "F16", ...common];
      await run(...encode, "--out", "alone.triplane.safetensors", "--embed-decoder");
      await rm(join(folder, "moved"), { recursive: true, force: true });
      await mkdir(join(folder, "moved", "far"), { recursive: true });
      for (const name of ["a", "alone"])
        await copyFile(
          join(folder, `${name}.triplane.safetensors`),
          join(folder, "moved", "far", `${name}.triplane.safetensors`),
        );
      const lost = await run("decode", "moved/far/a.triplane.safetensors", "--out", "lost.mp4", ...common);
      expect([lost.code, lost.stderr.includes("name the checkpoint (--checkpoint)")]).toEqual([1, true]);
      expect((await run("decode", "moved/far/alone.triplane.safetensors", "--out", "alone.mp4", ...common)).code).toBe(
        0,
      );
    },
  );

  it("reconstructs into four files and prints tokens, numbers, ratio and PSNR", { timeout: 240_000 }, async () => {
    const { code, stdout } = await run(
      "reconstruct",
      "wide clip.mp4",
      "--checkpoint",
      "run",
      "--out",
      "shown",
      "--length",
      "16",
      ...common,
      "--json",
    );
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as Record<string, number>;
    expect(report).toMatchObject({ tokens: 192, floats: 768, pixelsPerFloat: (16 * 32 * 32 * 3) / 768 });
    expect(report["psnrDb"]).toBeGreaterThan(5);
    expect((await readdir(join(folder, "shown"))).sort()).toEqual([
      ".coordtok.json",
      "planes.png",
      "reconstruction.mp4",
      "report.json",
      "side-by-side.mp4",
    ]);
  });

  it("decode writes one frame that is named as a picture into a file", { timeout: 240_000 }, async () => {
    const { code } = await run("decode", "a.triplane.safetensors", "--frames", "7", "--out", "frame7.png", ...common);
    expect([code, (await readClip(join(folder, "frame7.png"))).clip]).toMatchObject([0, { frameCount: 1, height: 32 }]);
  });

  const encodeLow = ["encode", "wide clip.mp4", "--checkpoint", "run", "--out", "low.triplane.safetensors"];

  it("--precision bf16 on a backend without it fails with one sentence", { timeout: 240_000 }, async () => {
    const refused = await run(...encodeLow, ...common, "--precision", "bf16");
    expect([refused.code, refused.stderr.trim()]).toEqual([
      1,
      "The backend wasm computes in fp32; bf16 needs the native backend, tensorflow.",
    ]);
  });

  it(
    "--precision bf16 is recorded in the triplane, the reports and the line of the backend",
    { timeout: 240_000 },
    async (context) => {
      if (native?.available !== true) context.skip(`no native backend: ${native?.reason ?? "it is not known here"}`);
      const encoded = await run(...encodeLow, "--precision", "bf16", "--json");
      expect(encoded.stderr).toMatch(/Backend tensorflow: .*; bf16/);
      expect(JSON.parse(encoded.stdout)).toMatchObject({ precision: "bf16" });
      expect((await run("info", "low.triplane.safetensors")).stdout).toMatch(/precision +bf16/);
      const shown = ["--checkpoint", "run", "--out", "low", "--precision", "bf16", "--quiet"];
      expect((await run("reconstruct", "wide clip.mp4", ...shown)).code).toBe(0);
      expect(JSON.parse((await bytesOf("low/report.json")).toString())).toMatchObject({ precision: "bf16" });
      expect((await run("info", "a.triplane.safetensors")).stdout).not.toContain("precision");
    },
  );

  it("info tells a video, a triplane and a checkpoint apart", { timeout: 240_000 }, async () => {
    expect((await run("info", "wide clip.mp4")).stdout).toContain("80x48");
    expect((await run("info", "a.triplane.safetensors")).stdout).toContain("16 frames of wide clip.mp4 (80x48)");
    expect((await run("info", "run/checkpoints/step-000012.safetensors")).stdout).toContain(
      "after step 12, can be resumed",
    );
    expect((await run("info", "run")).stdout).toContain("after step 12, can be resumed");
    expect((await run("info", ".")).stderr).toContain("index.json");
  });
});

describe("Ctrl-C during training", () => {
  it(
    "saves, ends with 130 and says how to resume; the resumed training equals an uninterrupted one bit for bit",
    { timeout: 240_000 },
    async () => {
      const train = ["train-tokenizer", "wide clip.mp4", ...training, "--steps", "40", "--save-every", "4", "--out"];
      const stopped = await runCli([...train, "stopped"], {
        cwd: folder,
        onStart: interruptOnceThereIs(join(folder, "stopped/checkpoints/step-000004.safetensors")),
      });
      expect([stopped.code, stopped.stdout]).toEqual([130, ""]);
      expect(stopped.stderr).toContain("train-tokenizer --resume stopped");
      expect((await run("train-tokenizer", "--resume", "stopped", "--workers", "0", ...common)).code).toBe(0);
      expect((await run(...train, "whole")).code).toBe(0);
      const file = "checkpoints/step-000040.safetensors";
      expect((await bytesOf(`stopped/${file}`)).equals(await bytesOf(`whole/${file}`))).toBe(true);
      const steps = (await bytesOf("stopped/metrics.jsonl"))
        .toString()
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { step: number }).step);
      expect(steps).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    },
  );

  it(
    "resuming from an older checkpoint moves the later ones to a run folder of their own",
    { timeout: 240_000 },
    async () => {
      const older = "whole/checkpoints/step-000032.safetensors";
      const seeded = await run("train-tokenizer", "--resume", older, "--seed", "1", ...common);
      expect([seeded.code, seeded.stderr]).toEqual([2, expect.stringContaining("leave the seed out (--seed)")]);
      const resumed = await run("train-tokenizer", "--resume", older, "--steps", "34", ...common);
      expect([resumed.code, resumed.stderr]).toEqual([
        0,
        expect.stringContaining("resume that folder to continue from them"),
      ]);
      const checkpoints = async (name: string): Promise<string[]> =>
        (await readdir(join(folder, name, "checkpoints"))).sort();
      const named = (...steps: number[]): string[] => steps.map((step) => `step-0000${step}.safetensors`);
      expect([await checkpoints("whole"), await checkpoints("whole-abandoned-1")]).toEqual([
        ["config.json", ...named(32, 34)],
        named(36, 40),
      ]);
      const lines = async (name: string): Promise<number> =>
        (await bytesOf(`${name}/metrics.jsonl`)).toString().split("\n").length;
      expect([await lines("whole"), await lines("whole-abandoned-1")]).toEqual([35, 41]);
      const back = await run("train-tokenizer", "--resume", "whole-abandoned-1", "--steps", "41", ...common);
      expect([back.code, back.stderr]).toEqual([0, expect.stringContaining("Resuming after step 40 of 41")]);
    },
  );
});

describe("encode-dataset", () => {
  const encode = ["encode-dataset", "films", "--checkpoint", "run", "--crops", "2", "--flip", "--hop", "1", ...common];

  beforeAll(async () => {
    for (const name of ["walking", "juggling"]) {
      await mkdir(join(folder, "films", name), { recursive: true });
      await copyFile(join(folder, "wide clip.mp4"), join(folder, "films", name, "a.mp4"));
    }
    await writeFile(join(folder, "films", "walking", "broken.avi"), "no video");
  });

  it(
    "Ctrl-C saves what was encoded and ends with 130; the same command resumes and lists what it skipped",
    { timeout: 240_000 },
    async () => {
      const stopped = await runCli([...encode, "--part", "1/1", "--shard-size", "4"], {
        cwd: folder,
        onStart: interruptOnceThereIs(join(folder, "films-latents/shard-1of1-00000.safetensors")),
      });
      expect([stopped.code, stopped.stderr]).toEqual([130, expect.stringContaining("The same command resumes")]);
      const whole = await run(...encode);
      expect(whole.code).toBe(0);
      expect(whole.stdout).toContain("2 (juggling, walking)");
      expect(whole.stdout).toMatch(/Skipped 1 video:\n.*broken\.avi" is not a video/);
      const again = await run(...encode, "--json");
      expect(JSON.parse(again.stdout)).toMatchObject({ clips: 2 * 5 * 2 * 2, encoded: 0, complete: true });
      const index = JSON.parse((await bytesOf("films-latents/index.json")).toString()) as { clips: number };
      expect(index.clips).toBe(40);
      expect((await run("info", "films-latents")).stdout).toMatch(/40\n.*2: juggling, walking\n.*1 video/);
    },
  );

  it("reports wrong flags and what to do about a folder of other latents", { timeout: 240_000 }, async () => {
    for (const [args, code, part] of [
      [["--part", "3/2"], 2, "k/n"],
      [["--stride", "2"], 1, "stride 1 instead of 2"],
      [["--content", "4"], 1, "content applies to the lattice form, leave it out (--content)"],
    ] as const) {
      const end = await run(...encode, ...args);
      expect([end.code, end.stderr]).toEqual([code, expect.stringContaining(part)]);
    }
  });
});

describe("demo --train", () => {
  it(
    "leaves a summary with its figures and the paths of what it wrote, and runs again over its own folder",
    { timeout: 480_000 },
    async () => {
      const demo = ["demo", "--train", "--preset", "test", "--steps", "4", ...common];
      // However few seconds there are, steps are taken until there is something to see.
      const first = await run(...demo.slice(0, -common.length - 2), "--seconds", "1", ...common);
      expect([first.code, first.stderr]).toEqual([
        0,
        expect.stringMatching(/ fit into 1\.0 s; 200 are taken, in about /),
      ]);
      expect(first.stderr).not.toContain("poor");
      const { code, stdout, stderr } = await run(...demo, "--", "wide clip.mp4");
      expect([code, stdout.includes("summary.json")]).toEqual([0, true]);
      expect(stderr).toMatch(/The picture is poor \([\d.]+ dB, below 20\): 4 steps in .* are few to learn a clip/);
      const summary = JSON.parse((await bytesOf("demo-out/summary.json")).toString()) as Record<string, unknown> & {
        files: Record<string, string>;
      };
      expect(summary).toMatchObject({
        tokens: 192,
        steps: 4,
        backend: "wasm",
        psnrDb: expect.any(Number) as number,
        seconds: expect.any(Number) as number,
      });
      for (const file of Object.values(summary.files)) expect((await stat(join(folder, file))).size).toBeGreaterThan(0);
    },
  );

  it("refuses a folder that holds something else", { timeout: 60_000 }, async () => {
    const { code, stderr } = await run(
      "demo",
      "--train",
      "--preset",
      "test",
      "--steps",
      "1",
      "--out",
      "run",
      ...common,
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /"run" holds results of training, not of demo --train; choose a new or an empty folder \(--out\)/,
    );
  });
});

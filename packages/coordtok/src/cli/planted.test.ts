import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { findProgram } from "@coordtok/core/node";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli, type CliEnd } from "./testdata/run-cli.js";

let root = "";
let folder = "";
/** Everything that is planted and run writes its name here. */
let log = "";

/** Writes a file into the folder in which the commands run. */
function plant(name: string, content: string, mode = 0o644): void {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
}

const programs = [
  ..."ffmpeg ffprobe python3 python pip3 c++ g++ clang++ cc ld as nvidia-smi sh env node npm pnpm pyenv zig".split(" "),
];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "coordtok-planted-"));
  folder = join(root, "stranger's folder");
  log = join(root, "log");
  mkdirSync(folder);
  const python = (name: string): string => `open(${JSON.stringify(log)}, "a").write(${JSON.stringify(`${name}\n`)})\n`;
  const node = (name: string): string =>
    `require("node:fs").appendFileSync(${JSON.stringify(log)}, ${JSON.stringify(`${name}\n`)});\n`;
  for (const name of programs) plant(name, `#!/bin/sh\necho ${name} >> '${log}'\n`, 0o755);
  for (const name of [
    "pip/__init__.py",
    "pip/__main__.py",
    "sitecustomize.py",
    "usercustomize.py",
    "sys.py",
    "site.py",
  ])
    plant(name, python(name));
  for (const name of [
    "@tensorflow/tfjs-node-gpu",
    "@tensorflow/tfjs-node",
    "ffmpeg-static",
    "@ffmpeg/core",
    "tsx",
    "yauzl",
  ]) {
    plant(`node_modules/${name}/package.json`, JSON.stringify({ name, version: "4.22.0", main: "index.js" }));
    plant(`node_modules/${name}/index.js`, node(name));
  }
  plant("evil.cjs", node("evil.cjs"));
  plant(".npmrc", "node-options=--require ./evil.cjs\nscript-shell=./sh\nignore-scripts=false\n");
  plant("pip.conf", "[global]\nindex-url = http://127.0.0.1:9/\n");
  plant(".python-version", "0.0.1\n");
  plant("pyvenv.cfg", "home = .\n");
  const clip = syntheticClip({ frames: 16, height: 32, width: 32, seed: 4 });
  await writeVideo(join(folder, "clip.mp4"), framesFromClip(clip, 25), { fps: 25 });
});

afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

async function run(...args: string[]): Promise<CliEnd> {
  const path = ["", ".", "./", "node_modules/.bin", process.env["PATH"]].join(delimiter);
  return runCli(args, { cwd: folder, env: { PATH: path, PYTHONPATH: ".", COORDTOK_CACHE: join(root, "cache") } });
}

function expectNothingPlantedRan(): void {
  expect(existsSync(log) ? readFileSync(log, "utf8") : "").toBe("");
}

const computing = ["--backend", "wasm"];
const commands: [command: string, args: string[], code: number][] = [
  ["doctor", ["doctor"], 0],
  ["setup --help", ["setup", "--help"], 0],
  ["setup without a package index", ["setup", "--wheel", "missing.whl"], 1],
  [
    "train-tokenizer",
    ["train-tokenizer", "clip.mp4", "--preset", "test", "--steps", "2", "--out", "run", ...computing],
    0,
  ],
  ["info of a video", ["info", "clip.mp4"], 0],
  ["info of a checkpoint", ["info", "run/checkpoints/step-000002.safetensors"], 0],
  ["encode", ["encode", "clip.mp4", "--checkpoint", "run", "--out", "a.triplane.safetensors", ...computing], 0],
  ["decode", ["decode", "a.triplane.safetensors", "--out", "decoded.mp4", ...computing], 0],
  ["decode into pictures", ["decode", "a.triplane.safetensors", "--out", "pictures/", ...computing], 0],
  ["decode into a gif", ["decode", "a.triplane.safetensors", "--out", "a.gif", ...computing], 0],
  ["reconstruct", ["reconstruct", "clip.mp4", "--checkpoint", "run", "--out", "compared", ...computing], 0],
  ["demo", ["demo", "clip.mp4", "--out", "shown", ...computing], 0],
  ["demo --train", ["demo", "clip.mp4", "--train", "--preset", "test", "--steps", "2", ...computing], 0],
];

/** Each command starts a process from source, on a machine that may be busy. */
const timeout = 240_000;

describe("in a stranger's folder nothing that it holds is run", { timeout }, () => {
  it.each(commands)("by %s", async (_title, args, code) => {
    const ended = await run(...args);
    expectNothingPlantedRan();
    expect({ code: ended.code, stderr: ended.stderr }).toMatchObject({ code });
  });

  it("although the traps work: run on purpose, they write into the log", async () => {
    const { stderr } = await run("info", "clip.mp4", "--ffmpeg", "./ffmpeg");
    expect(stderr).toContain("it is not ffmpeg");
    execFileSync(process.execPath, ["-e", 'require("@tensorflow/tfjs-node-gpu")'], { cwd: folder });
    const expected = ["ffmpeg", "@tensorflow/tfjs-node-gpu"];
    const python = await findProgram("python3");
    if (python !== undefined) {
      // Setup ran this earlier; it is not the version that pyenv would take from this folder.
      const env = { ...process.env, PYENV_VERSION: "system" };
      spawnSync(python, ["-m", "pip", "--version"], { cwd: folder, env });
      expected.push("pip/__init__.py", "pip/__main__.py");
    }
    expect(readFileSync(log, "utf8").trim().split("\n")).toEqual(expected);
  });
});

import { disposeTree } from "@coordtok/core";
import { claimFolder } from "@coordtok/core/node";
import type { Triplane } from "@coordtok/triplane";
import { tensor4d } from "@tensorflow/tfjs-core";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { addonName, findInstallation, readInstallation } from "../../../packages/backend/src/node/installation.js";
import { recordOf, zipOf, type FakeEntry } from "../../../packages/backend/src/setup/testdata/fake-wheel.js";
import { openWheel } from "../../../packages/backend/src/setup/wheel.js";
import { indexPath, writeIndex } from "../../../packages/coordtok/src/latents/index-file.js";
import { openLatents } from "../../../packages/coordtok/src/latents/open-latents.js";
import { openShard, writeShard } from "../../../packages/coordtok/src/latents/shard.js";
import { reconstructOwner, runOwner } from "../../../packages/coordtok/src/outputs/own-folders.js";
import { parseGeneratorRecord } from "../../../packages/coordtok/src/train/generator-plan.js";
import { readRunConfig } from "../../../packages/coordtok/src/train/run-config.js";
import { lockRunFolder, reopenRunFolder } from "../../../packages/coordtok/src/train/run-folder.js";
import { parseAnyRecord } from "../../../packages/coordtok/src/train/tokenizer-plan.js";
import { EvaluationFolder } from "../../../packages/evaluation/src/evaluation-folder.js";
import { mutateSafetensors } from "./mutate-container.js";
import { mutateJson, mutateJsonLines, mutateText } from "./mutate-json.js";
import { mutate } from "./mutate.js";
import { smallConfig, smallLattice } from "./weights-targets.js";
import type { FuzzTarget } from "./run-fuzz.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * What commands keep in folders: of latents, trainings, evaluations and `setup`.
 * @param scratch a new folder, private to this user.
 */
export async function folderTargets(scratch: string): Promise<FuzzTarget[]> {
  return [
    ...(await latentTargets(join(scratch, "latents"))),
    ...trainingTargets(join(scratch, "run")),
    ...evaluationTargets(join(scratch, "evaluation")),
    ...setupTargets(join(scratch, "cache")),
    markTarget(join(scratch, "marked")),
  ];
}

/** A file of JSON in a folder that is otherwise as it should be. */
function jsonFile(
  name: string,
  path: string,
  seeds: readonly unknown[],
  read: (past: () => void) => Promise<unknown>,
  lines = false,
): FuzzTarget {
  return {
    name,
    seeds: seeds.map((seed) => encoder.encode(typeof seed === "string" ? seed : JSON.stringify(seed))),
    mutate: (seed, _, random) => encoder.encode((lines ? mutateJsonLines : mutateJson)(decoder.decode(seed), random)),
    read: async (input, past) => {
      writeFileSync(path, input);
      await read(past);
    },
  };
}

async function latentTargets(folder: string): Promise<FuzzTarget[]> {
  mkdirSync(folder, { recursive: true });
  const shard = join(folder, "shard-00000.safetensors");
  const planes = {
    xy: tensor4d([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 2, 2]),
    yt: tensor4d([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 2, 2]),
    xt: tensor4d([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 2, 2]),
  } as Triplane;
  const clip = { video: "cats/a.mp4", class: "cats", start: 0, crop: 0, flipped: false, frames: 4 };
  const settings = { stride: 1, labels: "auto", fps: null };
  const source = { video: "cats/a.mp4", bytes: 9, modifiedMs: 1.5, of: "whole" as const, sha256: "f".repeat(64) };
  const facts = {
    settings,
    clips: [clip, { ...clip, start: 4 }],
    finished: [{ video: "cats/a.mp4", remarks: ["short"] }],
    sources: [source],
  };
  const { statistics } = await writeShard(shard, [planes, planes], smallConfig, facts, "F32");
  disposeTree(planes);
  await writeIndex(folder, {
    config: smallConfig,
    checkpoint: { path: "../run", sha256: "b".repeat(64) },
    settings,
    classes: ["cats"],
    clips: 2,
    shards: [{ file: "shard-00000.safetensors", clips: 2 }],
    statistics,
    skipped: [{ video: "b.mp4", reason: "it is damaged" }],
    complete: true,
    creator: "coordtok 0",
  });
  const other = join(folder, "..", "shard-00001.safetensors");
  return [
    jsonFile("latents-index", indexPath(folder), [readFileSync(indexPath(folder), "utf8")], async (past) => {
      const latents = await openLatents(folder);
      past();
      for (let i = 0; i < latents.length; i++) disposeTree((await latents.get(i)).triplane);
      await latents.close();
    }),
    {
      name: "latents-shard",
      seeds: [new Uint8Array(readFileSync(shard))],
      mutate: mutateSafetensors,
      read: async (input, past) => {
        writeFileSync(other, input);
        const opened = await openShard(other);
        past();
        const source = { ...sourceOf(input), close: () => Promise.resolve() };
        for (let i = 0; i < opened.clips.length; i++)
          disposeTree(await opened.readClip(source as unknown as Parameters<typeof opened.readClip>[0], i));
      },
    },
  ];
}

function sourceOf(input: Uint8Array): { size: number; read: (offset: number, length: number) => Promise<Uint8Array> } {
  return {
    size: input.length,
    read: (offset, length) => Promise.resolve(input.slice(offset, offset + length)),
  };
}

function trainingTargets(folder: string): FuzzTarget[] {
  mkdirSync(join(folder, "checkpoints"), { recursive: true });
  const settings = {
    batchSize: 2,
    pointsPerClip: 24,
    totalSteps: 6,
    learningRate: 1e-3,
    clipNorm: "Infinity",
  };
  const tokenizer = {
    config: smallConfig,
    settings,
    seed: 3,
    videos: ["/data/a.mp4"],
    validation: [],
    perceptual: { lpips: "vgg", weights: "/weights" },
  };
  const generator = {
    model: {
      planes: { rows: 2, columns: 2, time: 2, channels: 2 },
      patch: 1,
      width: 4,
      depth: 1,
      heads: 2,
      mlpRatio: 2,
      classes: 2,
      labelDropout: 0.1,
      learnSigma: false,
    },
    flow: { path: "linear", prediction: "velocity" },
    latents: "/latents",
    tokenizer: "/run",
    settings,
    seed: 1,
  };
  const lattice = {
    config: smallLattice,
    settings: { batchSize: 1, totalSteps: 6, decodedBlocks: 1, learningRate: 1e-3 },
    seed: 3,
    videos: ["/data/a.mp4"],
    pictures: ["/data/b.png"],
    validation: [],
    from: "/starter.safetensors",
    startPsnrDb: 21.5,
    budget: { minutes: 1, secondsPerStep: 0.5 },
  };
  const line = (step: number): string =>
    JSON.stringify({
      step,
      loss: 1 / step,
      gradientNorm: 0.5,
      learningRate: 1e-3,
      seconds: step,
      psnrDb: 20,
      note: "x",
    });
  return [
    jsonFile("run-config", join(folder, "config.json"), [tokenizer, generator, lattice], async (past) => {
      const isTokenizer = readFileSync(join(folder, "config.json"), "utf8").includes("videos");
      const parse: (stored: object) => object = isTokenizer ? parseAnyRecord : parseGeneratorRecord;
      await readRunConfig(folder, (stored) => {
        past();
        return parse(stored);
      });
    }),
    jsonFile(
      "metrics",
      join(folder, "metrics.jsonl"),
      [`${[1, 2, 3].map(line).join("\n")}\n`],
      async (past) => {
        await using lock = await lockRunFolder(folder);
        await reopenRunFolder(folder, 2, lock);
        past();
      },
      true,
    ),
  ];
}

function evaluationTargets(folder: string): FuzzTarget[] {
  mkdirSync(folder, { recursive: true });
  const sha256 = "c".repeat(64);
  const side = { given: ["videos"], videos: 3, namesSha256: sha256 };
  const settings = {
    task: "reconstruction",
    protocol: {
      name: "coordtok-paper",
      changed: [],
      choice: "random",
      clips: 2,
      length: 16,
      slice: "all",
      fvdWindow: 16,
    },
    seed: 0,
    size: { height: 64, width: 64 },
    reference: side,
    checkpoint: { file: "step-1.safetensors", sha256 },
    lpips: { network: "alex", files: [{ file: "lpips.pth", sha256 }] },
    i3d: { output: "logits", files: [{ file: "i3d.pt", sha256 }] },
    sanity: { clips: 1, text: "h264" },
    made: { with: "coordtok" },
    planned: { reference: 3, other: 0 },
    shard: { index: 1, count: 2 },
    environment: {
      coordtok: "0",
      node: "20",
      backend: "wasm",
      device: "x",
      versions: { tfjs: "4" },
      leftOut: [{ name: "b.mp4", reason: "short" }],
    },
  };
  const place = { name: "a.mp4", start: 0, frames: 16, motion: 0.1, detail: 0.2, windows: 1 };
  const row = (index: number): string =>
    JSON.stringify({
      index,
      ...place,
      width: 64,
      height: 64,
      psnrDb: 30,
      ssim: 0.9,
      perFrame: { psnrDb: [30, "Infinity"] },
    });
  const rows = `${[0, 1].map(row).join("\n")}\n${JSON.stringify({ index: 2, name: "c.mp4", failed: "it is damaged" })}\n`;
  const read =
    (name: "clips" | "reference") =>
    async (past: () => void): Promise<void> => {
      const { records } = await new EvaluationFolder(folder).journal(name);
      if (records.length > 0) past();
    };
  return [
    jsonFile("evaluation-settings", join(folder, "settings.json"), [settings], async (past) => {
      await new EvaluationFolder(folder).settings();
      past();
    }),
    jsonFile("evaluation-rows", join(folder, "clips.jsonl"), [rows], read("clips"), true),
    jsonFile(
      "evaluation-set",
      join(folder, "reference.jsonl"),
      [`${JSON.stringify({ index: 0, ...place })}\n`],
      read("reference"),
      true,
    ),
  ];
}

function setupTargets(cache: string): FuzzTarget[] {
  const native = join(cache, "native");
  const installation = join(native, "installed-1");
  mkdirSync(installation, { recursive: true, mode: 0o700 });
  writeFileSync(join(installation, addonName), "addon");
  const facts = {
    format: 1,
    tensorflow: "2.18.1",
    device: "cpu",
    asked: { tensorflow: "2.18.1" },
    platform: "linux-x64",
    tfjsNode: "4.22.0",
    compiler: "c++",
    wheels: [{ name: "tensorflow_cpu-2.18.1.whl", sha256: "d".repeat(64) }],
    files: [{ path: addonName, bytes: 5, sha256: "e".repeat(64) }],
    selfTest: { node: "20", gigaflops: 10, devices: ["cpu"] },
    madeAt: "2026-01-01T00:00:00Z",
  };
  const setup = join(installation, "setup.json");
  writeFileSync(setup, JSON.stringify(facts));
  const wheel = join(cache, "fake-1.0-py3-none-any.whl");
  const files: FakeEntry[] = [
    { name: "fake/lib.so.2", content: "library" },
    { name: "fake/include/a.h", content: "#include <b.h>\n" },
  ];
  const record = { name: "fake.dist-info/RECORD", content: recordOf(files) };
  const entries = [...files, record];
  return [
    jsonFile("setup", setup, [facts], async (past) => {
      if (!("missing" in (await readInstallation(installation)))) past();
    }),
    jsonFile(
      "setup-current",
      join(native, "current-linux-x64.json"),
      [{ installation: "installed-1" }],
      async (past) => {
        writeFileSync(setup, JSON.stringify(facts));
        if (!("missing" in (await findInstallation(cache, "linux-x64")))) past();
      },
    ),
    {
      name: "wheel",
      seeds: [zipOf(entries)],
      mutate: (seed, other, random) => {
        if (random.integer(3) === 0) return mutate(seed, other, random);
        const changed = entries.map((entry): { -readonly [key in keyof FakeEntry]: FakeEntry[key] } => ({ ...entry }));
        const at = random.integer(changed.length);
        const kind = random.integer(5);
        if (kind === 0)
          changed[at]!.name = ["../x", "/x", "a\\b", "", "fake/\u0000", "x/".repeat(3000)][random.integer(6)]!;
        else if (kind === 1) changed[at]!.mode = 0o120777;
        else if (kind === 2) changed.push(changed[at]!);
        else changed[at]!.content = mutateText(String(changed[at]!.content), random);
        return kind === 4 ? withOtherSizes(zipOf(changed), random.integer(2 ** 32)) : zipOf(changed);
      },
      read: async (input, past) => {
        writeFileSync(wheel, input);
        const opened = await openWheel(wheel);
        past();
        try {
          for (const name of opened.names) await opened.readText(name);
          await opened.extract(opened.names, join(cache, "unpacked"));
        } finally {
          opened.close();
          rmSync(join(cache, "unpacked"), { recursive: true, force: true });
        }
      },
    },
  ];
}

/** The directory of a zip file claims another size and checksum of its first file. */
function withOtherSizes(zip: Uint8Array, size: number): Uint8Array {
  const copy = Uint8Array.from(zip);
  const view = new DataView(copy.buffer);
  const at = view.getUint32(copy.length - 6, true);
  view.setUint32(at + 16, crc32(copy), true);
  view.setUint32(at + 24, size, true);
  return copy;
}

function markTarget(folder: string): FuzzTarget {
  mkdirSync(folder, { recursive: true });
  const mark = { kind: "coordtok.folder", version: 1, command: "training" };
  const report = { psnrDb: 30, framesPsnrDb: [30, 31] };
  const target = jsonFile("mark", join(folder, ".coordtok.json"), [mark], async (past) => {
    await claimFolder(folder, runOwner);
    past();
  });
  return {
    ...target,
    seeds: [...target.seeds, encoder.encode(JSON.stringify(report))],
    read: async (input, past, holds) => {
      writeFileSync(join(folder, "..", "report.json"), input);
      await reconstructOwner.made(join(folder, ".."));
      await target.read(input, past, holds);
    },
  };
}

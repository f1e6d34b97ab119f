import { loadBackend } from "@coordtok/backend";
import {
  disposeTree,
  encodeSafetensors,
  loadCheckpoint,
  openSafetensors,
  treeEntries,
  type Json,
  type TensorFile,
} from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { latticePreset, loadTokenizer } from "@coordtok/tokenizer";
import { createLatticeParams, encodeLatticeCheckpoint } from "@coordtok/tokenizer/lattice";
import { paramsFromOfficial } from "@coordtok/tokenizer/official";
import type { SiTConfig } from "@coordtok/diffusion";
import { paramsFromOfficial as sitFromOfficial } from "@coordtok/diffusion/official";
import { parseStats } from "@coordtok/triplane";
import { memory } from "@tensorflow/tfjs-core";
import { readFileSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { runCli } from "../cli/testdata/run-cli.js";
import { convertFile, type ConvertOptions } from "./convert.js";

const fixtures = fileURLToPath(new URL("../../../../fixtures/torch/", import.meta.url));
const { tokenizer_config: official } = JSON.parse(readFileSync(`${fixtures}cases.json`, "utf8")) as {
  tokenizer_config: object;
};
const heads = 4;

let root = "";
let folder = "";
let count = 0;

beforeAll(async () => {
  await loadBackend("cpu");
  root = await mkdtemp(join(tmpdir(), "coordtok-convert-"));
});
beforeEach(async () => {
  folder = join(root, String(count++));
  await mkdir(folder);
});
afterAll(async () => {
  await rm(root, { recursive: true });
});

const open = (path: string): Promise<TensorFile> => openSafetensors(readFileSync(path));

async function expectSameTensors(found: TensorFile, expected: TensorFile): Promise<void> {
  expect([...found.entries.keys()].sort()).toEqual([...expected.entries.keys()].sort());
  for (const [name, { dtype, shape }] of expected.entries) {
    expect(found.entries.get(name)).toMatchObject({ dtype, shape });
    expect(Buffer.compare(await found.readBytes(name), await expected.readBytes(name)), name).toBe(0);
  }
}

async function convert(file: string, options: ConvertOptions = {}): Promise<string> {
  const output = join(folder, `${count}-${(await readdir(folder)).length}.safetensors`);
  await convertFile(file.includes("/") ? file : fixtures + file, output, options);
  return output;
}

describe("official tokenizers", () => {
  it.each([
    ["tokenizer-nested.pth", "tokenizer-state-dict.safetensors"],
    ["tokenizer-with-lpips.pth", "tokenizer-state-dict.safetensors"],
    ["tokenizer-half.pth", "tokenizer-half.safetensors"],
    ["tokenizer-state-dict.safetensors", "tokenizer-state-dict.safetensors"],
  ])("%s becomes a checkpoint, which becomes the official tensors again, bit for bit", async (file, expected) => {
    const ours = await convert(file, { heads });
    const theirs = await convert(ours);
    await expectSameTensors(await open(theirs), await open(fixtures + expected));
    // Official files that we write hold the arguments, so the heads need not be given again.
    const again = await convert(theirs);
    expect(Buffer.compare(await readFile(again), await readFile(ours))).toBe(0);
  });

  it("the checkpoint holds the same weights as the official tensors", async () => {
    const ours = await convert("tokenizer-with-lpips.pth", { heads });
    const before = memory().numTensors;
    const { config, params } = await loadTokenizer(readFileSync(ours));
    const stored = await open(`${fixtures}tokenizer-state-dict.safetensors`);
    const expected = await paramsFromOfficial(config, stored);
    const found = new Map(treeEntries(params));
    for (const [path, leaf] of treeEntries(expected)) {
      expect(found.get(path)!.shape).toEqual(leaf.shape);
      expect(
        Buffer.compare(Buffer.from((await found.get(path)!.data()).buffer), Buffer.from((await leaf.data()).buffer)),
        path,
      ).toBe(0);
    }
    disposeTree([params, expected]);
    expect(memory().numTensors).toBe(before);
    expect(config).toMatchObject({
      padding: "official",
      compat: "official",
      encoder: { heads: 4 },
      clip: { frames: 16 },
    });
  });

  it("a configuration file gives the form, as official arguments or as our configuration", async () => {
    const path = join(folder, "config.json");
    await writeFile(path, JSON.stringify(official));
    const one = await convert("tokenizer-nested.pth", { config: path });
    const stored = await loadCheckpoint(readFileSync(one), { kind: "tokenizer", parseConfig: (json) => json });
    disposeTree([...stored.tensors.values()]);
    await writeFile(path, JSON.stringify({ config: stored.config }));
    const two = await convert("tokenizer-nested.pth", { config: path });
    expect(Buffer.compare(await readFile(one), await readFile(two))).toBe(0);
    await expect(convert("tokenizer-nested.pth", { config: path, heads: 2 })).rejects.toThrow("not both");
  });

  it("numbers are rounded to the requested format, and the average or one part can be chosen", async () => {
    const whole = await convert("tokenizer-nested.pth", { heads });
    const { params } = await loadTokenizer(readFileSync(whole));
    const exact = new Map(treeEntries(params));
    for (const [dtype, bits] of [
      ["F16", 11],
      ["BF16", 8],
    ] as const) {
      const file = await open(await convert("tokenizer-nested.pth", { heads, dtype }));
      for (const [path, leaf] of exact) {
        const rounded = await file.readNumbers(`average.${path}`);
        const values = await leaf.data();
        const isNear = values.every(
          (value, i) => Math.abs(value - rounded[i]!) <= Math.abs(value) * 2 ** -bits + 2 ** -25,
        );
        expect([path, isNear]).toEqual([path, true]);
      }
      expect([...file.entries.values()].every((entry) => entry.dtype === dtype)).toBe(true);
    }
    disposeTree(params);
    const decoder = await open(await convert("tokenizer-nested.pth", { heads, part: "decoder" }));
    const names = [...decoder.entries.keys()];
    expect(names).toEqual(
      [...exact.keys()].filter((path) => path.startsWith("decoder.")).map((path) => `average.${path}`),
    );
    const official = await open(await convert(whole, { part: "encoder" }));
    expect([...official.entries.keys()].filter((name) => name.startsWith("decoder."))).toEqual([]);
    expect(official.entries.has("weight_tokens_xy")).toBe(true);
    await expect(convert(whole, { weights: "model" })).rejects.toThrow("no weights besides the moving average");
  });

  it("a tensor that does not fit is named in the error, and nothing is written", async () => {
    await expect(convert("tokenizer-wrong-shape.pth", { heads })).rejects.toThrow("decoder.projector.weight");
    await expect(convert("tokenizer-nested.pth")).rejects.toThrow("options encoderHeads, config");
    await expect(convert("layouts.pth")).rejects.toThrow('option as: "raw"');
    await expect(convert("hostile-os-system.pth")).rejects.toThrow("posix.system");
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("official diffusion models", () => {
  it.each([
    ["ema", "sit-training.safetensors"],
    ["model", "sit-training.model.safetensors"],
    [undefined, "sit-training.safetensors"],
  ] as const)(
    "the %s weights become a checkpoint, which becomes the official tensors again",
    async (weights, expected) => {
      const warnings: string[] = [];
      const ours = await convert("sit-training.pth", { heads, weights, onWarning: (line) => warnings.push(line) });
      // The fixed positions of this file are random numbers; our model computes its own.
      expect(warnings).toEqual([expect.stringContaining("pos_embed_xy")]);
      const theirs = await open(await convert(ours));
      const stored = await open(fixtures + expected);
      expect([...theirs.entries.keys()].sort()).toEqual([...stored.entries.keys()].sort());
      for (const name of stored.entries.keys())
        if (name !== "pos_embed_xy")
          expect(Buffer.compare(await theirs.readBytes(name), await stored.readBytes(name)), name).toBe(0);
    },
  );

  it("the checkpoint holds the same weights as the official tensors", async () => {
    const path = await convert("sit-training.pth", { heads });
    const ours = await open(path);
    const theirs = await open(await convert(path));
    const { config, tensors: own } = await loadCheckpoint(await readFile(path), {
      kind: "diffusion",
      parseConfig: (json) => json,
    });
    disposeTree([...own.values()]);
    const { model } = config as unknown as { model: SiTConfig };
    const expected = await sitFromOfficial(model, theirs);
    for (const [leafPath, leaf] of treeEntries(expected)) {
      const bytes = await ours.readBytes(`average.${leafPath}`);
      expect(Buffer.compare(bytes, Buffer.from((await leaf.data()).buffer)), leafPath).toBe(0);
    }
    expect(model).toMatchObject({
      heads: 4,
      classes: 1,
      learnSigma: true,
      planes: { time: 8, rows: 8, columns: 8, channels: 4 },
    });
    disposeTree(expected);
  });

  it("asks for the heads, stores statistics, and has no parts", async () => {
    await expect(convert("sit-training.pth")).rejects.toThrow("options heads, config");
    await expect(convert("sit-training.pth", { heads, part: "encoder" })).rejects.toThrow("has no parts");
    const statistics = join(folder, "stats.json");
    const plane = { count: 2, mean: [1, 2, 3, 4], squares: [1, 1, 1, 1] };
    await writeFile(statistics, JSON.stringify({ xy: plane, yt: plane, xt: plane }));
    const { metadata } = await openSafetensors(
      await readFile(await convert("sit-training.pth", { heads, statistics })),
    );
    expect(JSON.parse(metadata.get("latents")!)).toMatchObject({ statistics: { xt: plane }, classes: [] });
    await expect(convert("tokenizer-half.pth", { heads, statistics })).rejects.toThrow("option statistics");
  });
});

describe("any tensors", () => {
  it("raw writes names, types, shapes and bytes unchanged", async () => {
    await expectSameTensors(
      await open(await convert("layouts.pth", { as: "raw" })),
      await open(`${fixtures}layouts.safetensors`),
    );
    const nested = await open(await convert("sit-training.pth", { as: "raw" }));
    const model = await open(`${fixtures}sit-training.model.safetensors`);
    for (const name of model.entries.keys())
      expect(Buffer.compare(await nested.readBytes(`model.${name}`), await model.readBytes(name))).toBe(0);
    await expect(convert("layouts.pth", { as: "raw", dtype: "F16" })).rejects.toThrow("option dtype");
  });

  it("a stopped conversion leaves nothing behind", async () => {
    const stop = new AbortController();
    const options = { heads, signal: stop.signal, onProgress: () => stop.abort() };
    await expect(convert("tokenizer-nested.pth", options)).rejects.toMatchObject({ code: "aborted" });
    expect(await readdir(folder)).toEqual([]);
  });

  it("does not overwrite its input or an existing file, and does not write a name that looks like a PyTorch file", async () => {
    const copy = join(folder, "copy.safetensors");
    await copyFile(`${fixtures}layouts.safetensors`, copy);
    await expect(convertFile(copy, copy, { as: "raw", overwrite: true })).rejects.toThrow("the same file");
    await expect(convertFile(`${fixtures}layouts.pth`, copy, { as: "raw" })).rejects.toMatchObject({
      code: "file-exists",
    });
    await expect(convertFile(copy, join(folder, "x.pth"))).rejects.toThrow("ends in .safetensors");
  });
});

it("the log of the official trainer becomes statistics", async () => {
  const { config } = JSON.parse(
    readFileSync(fileURLToPath(new URL("../diffusion/latent-statistics/case.json", `file://${fixtures}`)), "utf8"),
  ) as { config: { log_txt: string } };
  await writeFile(join(folder, "log.txt"), config.log_txt);
  const { as } = await convertFile(join(folder, "log.txt"), join(folder, "stats.json"));
  expect(as).toBe("statistics");
  const stats = parseStats(JSON.parse(await readFile(join(folder, "stats.json"), "utf8")) as Json);
  expect(stats.xt.mean[1]).toBe(-0.7082);
  expect(Math.sqrt(stats.yt.squares[7]!)).toBeCloseTo(1.1978, 12);
  await writeFile(join(folder, "other.txt"), "xy_mean: tensor([0.1])");
  await expect(convertFile(join(folder, "other.txt"), join(folder, "s.json"))).rejects.toThrow("plane xy");
});

describe("the command line", () => {
  it("describes a PyTorch file and says that it must be converted", { timeout: 240_000 }, async () => {
    const [info, encode] = await Promise.all([
      runCli(["info", `${fixtures}sit-training.pth`, "--json"]),
      runCli(["encode", "clip.mp4", "--checkpoint", `${fixtures}tokenizer-half.pth`, "--backend", "wasm"]),
    ]);
    const { weights } = JSON.parse(info.stdout) as { weights: { place: string; tensors: number }[] };
    expect(weights.map(({ place, tensors }) => [place, tensors])).toEqual([
      ["model", 36],
      ["ema", 36],
    ]);
    expect([encode.code, encode.stderr]).toEqual([
      1,
      expect.stringContaining("convert it once and pass the result (coordtok convert "),
    ]);
  });
});

describe("tokenizers of the lattice form", () => {
  const config = latticePreset("test");
  const names = ["decoder.skip.weight", "latent.blocks.0.cross.kv.weight", "video.blocks.0.attention.qkv.weight"];

  async function checkpoint(storage?: "int8"): Promise<string> {
    const params = createLatticeParams(config, 4);
    const path = join(folder, `lattice-${storage ?? "F32"}.safetensors`);
    await writeAtomically(path, encodeLatticeCheckpoint(config, params, { storage }));
    disposeTree(params);
    return path;
  }

  it("go to the names of the reference with its configuration, and back with the same bits", async () => {
    const ours = await checkpoint();
    const theirs = await convert(ours);
    const file = await openSafetensors(readFileSync(theirs));
    expect([...file.entries.keys()]).toEqual(expect.arrayContaining(names));
    expect(file.entries.get("decoder.skip.weight")!.shape).toEqual([768, 24]);
    const reference = { width: 32, heads: 2, video: 1, latent: 1, decoder: 1, channels: 8 };
    expect(JSON.parse(file.metadata.get("config")!)).toEqual(reference);
    await expectSameTensors(await open(await convert(theirs)), await open(ours));
    // Without the metadata the shapes tell all but the heads, which the width tells.
    const bare = join(folder, "bare.safetensors");
    const list = [...file.entries].map(([name, { dtype, shape }]) => ({
      name,
      dtype: dtype as "F32",
      shape,
      bytes: () => file.readPieces(name),
    }));
    await writeAtomically(bare, encodeSafetensors(list, {}));
    const report = await convertFile(bare, join(folder, "again.safetensors"));
    expect(report).toMatchObject({ as: "tokenizer", direction: "import", config });
    await expectSameTensors(await open(report.output), await open(ours));
  });

  it("of int8 weights go to the floats that they stand for, and one part goes alone", async () => {
    const theirs = await open(await convert(await checkpoint("int8"), { part: "decoder" }));
    expect([...theirs.entries.keys()].every((name) => name.startsWith("decoder."))).toBe(true);
    const [exact] = await Promise.all([open(await convert(await checkpoint()))]);
    const [a, b] = [
      await theirs.readNumbers("decoder.features.weight"),
      await exact.readNumbers("decoder.features.weight"),
    ];
    const worst = Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThan(Math.max(...b.map(Math.abs)) / 250);
  });
});

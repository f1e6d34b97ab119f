import { disposeTree, openSafetensors, type TensorFile } from "@coordtok/core";
import { findStateDicts, openTorch } from "@coordtok/core/torch";
import { checkConfig as checkSiTConfig, defaultFlow, encodeGenerator, loadGenerator } from "@coordtok/diffusion";
import { createParams as createSiTParams } from "@coordtok/diffusion/model";
import { decodeStatistics, encodeStatistics, statisticsOf } from "@coordtok/metrics";
import {
  checkConfig,
  checkLatticeConfig,
  encodeTokenizer,
  openTokenizer,
  type LatticeConfig,
  type TokenizerConfig,
} from "@coordtok/tokenizer";
import { createLatticeParams, encodeLatticeCheckpoint } from "@coordtok/tokenizer/lattice";
import { createParams } from "@coordtok/tokenizer/model";
import { encodeTraining, readTraining, trainDefaults, trainTokenizer } from "@coordtok/tokenizer/train";
import type { RgbClip } from "@coordtok/core";
import { perPlane, type TriplaneStats } from "@coordtok/triplane";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { entriesOfZip, mutateSafetensors, mutateZip } from "./mutate-container.js";
import { mutatePickle } from "./mutate-pickle.js";
import { legacyFile, mutate, randomPickle } from "./mutate.js";
import { bytesOf, meteredSource } from "./source.js";
import type { FuzzTarget } from "./run-fuzz.js";

const torchFolder = fileURLToPath(new URL("../../../fixtures/torch", import.meta.url));

/** The smallest tokenizer of the paper's form. */
export const smallConfig: TokenizerConfig = checkConfig({
  clip: { frames: 4, height: 8, width: 8 },
  encoder: { width: 4, heads: 2, videoLayers: 1, latentLayers: 1, patch: { time: 2, space: 4 } },
  planes: { rows: 2, columns: 2, time: 2, channels: 2, cell: { time: 2, space: 2 } },
  decoder: { width: 4, heads: 2, layers: 1, patch: { time: 1, space: 8 } },
  padding: "masked",
  compat: "none",
});

/** The smallest tokenizer of the lattice form. */
export const smallLattice: LatticeConfig = checkLatticeConfig({
  form: "lattice",
  width: 8,
  heads: 2,
  videoLayers: 1,
  latentLayers: 1,
  decoderLayers: 1,
  channels: 2,
});

/** Statistics of the latents of {@link smallConfig}. */
export const smallStatistics: TriplaneStats = perPlane(() => ({ count: 8, mean: [0.1, -0.2], squares: [1.5, 2] }));

/** Files of tensors: safetensors, those of PyTorch, the checkpoints of every model, statistics of features. */
export async function weightsTargets(): Promise<FuzzTarget[]> {
  return [safetensorsTarget(), zipTarget(), legacyTarget(), ...(await checkpointTargets())];
}

function torchFiles(pattern: RegExp): Uint8Array[] {
  const names = readdirSync(torchFolder).filter((name) => pattern.test(name));
  // Small files are read in no time, so they come more often.
  return names.flatMap((name) => {
    const bytes = new Uint8Array(readFileSync(join(torchFolder, name)));
    return Array<Uint8Array>(bytes.length < 5000 ? 12 : 1).fill(bytes);
  });
}

async function readAll(file: TensorFile, holds: (bytes: number) => void): Promise<void> {
  for (const name of file.entries.keys()) {
    const bytes = await file.readBytes(name);
    // What was read to make them and they themselves are held at a time.
    holds(2 * bytes.length);
  }
}

function safetensorsTarget(): FuzzTarget {
  return {
    name: "safetensors",
    weight: 3,
    seeds: torchFiles(/\.safetensors$/),
    mutate: mutateSafetensors,
    read: async (input, past, holds) => {
      const file = await openSafetensors(meteredSource(input, holds));
      past();
      await readAll(file, holds);
    },
  };
}

async function readTorch(input: Uint8Array, past: () => void, holds: (bytes: number) => void): Promise<void> {
  const file = await openTorch(meteredSource(input, holds));
  past();
  findStateDicts(file.root);
  await readAll(file.tensors(), holds);
}

function zipTarget(): FuzzTarget {
  return {
    name: "torch-zip",
    weight: 3,
    seeds: torchFiles(/^(?:layouts|sit-training|tokenizer-half|tokenizer-nested)\.pth$/),
    mutate: (seed, other, random) => {
      if (random.integer(6) === 0) return mutate(seed, other, random);
      return mutateZip(entriesOfZip(seed), random, (name, content) =>
        name.endsWith("data.pkl") && random.integer(4) > 0
          ? mutatePickle(content, random)
          : mutate(content, content, random),
      );
    },
    read: readTorch,
  };
}

function legacyTarget(): FuzzTarget {
  return {
    name: "torch-legacy",
    weight: 2,
    seeds: torchFiles(/-legacy\.pth$/),
    mutate: (seed, other, random) => {
      const kind = random.integer(4);
      if (kind === 0) return mutate(seed, other, random);
      if (kind === 1) return mutatePickle(seed, random);
      const pickle = randomPickle(random);
      return legacyFile(kind === 2 ? pickle : mutatePickle(pickle, random));
    },
    read: readTorch,
  };
}

async function checkpointTargets(): Promise<FuzzTarget[]> {
  const paper = createParams(smallConfig, 1);
  const lattice = createLatticeParams(smallLattice, 2);
  const model = checkSiTConfig({
    planes: { t: 2, x: 2, y: 2, channels: 2 },
    patch: 1,
    width: 4,
    depth: 1,
    heads: 2,
    mlpRatio: 2,
    classes: 2,
    labelDropout: 0.1,
    learnSigma: false,
  });
  const sit = createSiTParams(model, 3);
  const latents = {
    statistics: smallStatistics,
    classes: ["cats", "dogs"],
    tokenizer: { path: "../tokenizer.safetensors", sha256: "0".repeat(64) },
  };
  const tokenizers = [
    await bytesOf(encodeTokenizer(smallConfig, paper)),
    await bytesOf(encodeLatticeCheckpoint(smallLattice, lattice)),
    await bytesOf(encodeLatticeCheckpoint(smallLattice, lattice, { storage: "int8" })),
  ];
  const generator = await bytesOf(encodeGenerator({ model, flow: defaultFlow, params: sit, latents }));
  const features = statisticsOf(
    Float64Array.from({ length: 12 }, (_, i) => Math.sin(i)),
    3,
  );
  const statistics = await encodeStatistics(features, { network: "x", output: "logits" });
  disposeTree([paper, lattice, sit]);
  return [
    {
      name: "tokenizers",
      seeds: tokenizers,
      mutate: mutateSafetensors,
      read: async (input, past, holds) => {
        using tokenizer = await openTokenizer(meteredSource(input, holds), { onConfig: past });
        tokenizer.dispose();
      },
    },
    {
      name: "training",
      weight: 0.5,
      seeds: [await trainingBytes()],
      mutate: mutateSafetensors,
      read: async (input, past, holds) => {
        await openSafetensors(meteredSource(input, holds));
        past();
        const { state } = await readTraining(meteredSource(input, holds));
        disposeTree([state.params, state.average, state.optimizer]);
      },
    },
    {
      name: "generator",
      seeds: [generator],
      mutate: mutateSafetensors,
      read: async (input, past, holds) => {
        const { params } = await loadGenerator(meteredSource(input, holds), { onConfig: past });
        disposeTree(params);
      },
    },
    {
      name: "statistics-of-features",
      seeds: [await bytesOf(asStream(statistics))],
      mutate: mutateSafetensors,
      read: async (input, past, holds) => {
        await openSafetensors(meteredSource(input, holds));
        past();
        await decodeStatistics(meteredSource(input, holds));
      },
    },
  ];
}

async function* asStream(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

/** A training after its first step. */
async function trainingBytes(): Promise<Uint8Array> {
  const clip: RgbClip = { data: new Uint8Array(4 * 8 * 8 * 3).fill(100), frameCount: 4, height: 8, width: 8 };
  const settings = { ...trainDefaults, totalSteps: 2, warmupSteps: 1, pointsPerClip: 4, batchSize: 1 };
  const clips = { length: 1, get: () => clip };
  for await (const { state } of trainTokenizer({ config: smallConfig, clips, settings, seed: 7 }))
    return bytesOf(encodeTraining({ config: smallConfig, settings, state }));
  return new Uint8Array();
}

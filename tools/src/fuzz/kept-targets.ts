import type { Json } from "@coordtok/core";
import { acquireLock, checkFiles } from "@coordtok/core/node";
import { parseStats } from "@coordtok/triplane";
import { statsFromOfficialLog } from "@coordtok/triplane/official";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withConfigFile } from "../../../packages/coordtok/src/cli/config-file.js";
import { flagsOf } from "../../../packages/coordtok/src/cli/command.js";
import { commands } from "../../../packages/coordtok/src/cli/commands/index.js";
import { readRecords } from "../../../packages/coordtok/src/cli/result-records.js";
import { datasetVideos } from "../../../packages/coordtok/src/latents/dataset-videos.js";
import { readRecord, type ModelPlace } from "../../../packages/coordtok/src/models/model-cache.js";
import { lockHolder } from "../../../packages/core/src/node/lock.js";
import { FrameStore } from "../../../packages/video/src/node/windows/frame-store.js";
import { mutateJson, mutateText } from "./mutate-json.js";
import { mutate } from "./mutate.js";
import type { FuzzTarget } from "./run-fuzz.js";
import { smallStatistics } from "./weights-targets.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * What commands keep beside results and in the cache, and small files that people write: locks, records of results and models, stored
 * frames, lists of videos, configuration files of trainings.
 * @param scratch a new folder, private to this user.
 */
export async function keptTargets(scratch: string): Promise<FuzzTarget[]> {
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  return [
    await lockTarget(join(scratch, "run.lock")),
    modelTarget(join(scratch, "model")),
    checkedTarget(join(scratch, "checked")),
    resultsTarget(join(scratch, "results")),
    listTarget(join(scratch, "dataset")),
    configTarget(scratch),
    await framesTarget(join(scratch, "frames")),
    ...statisticsTargets(),
  ];
}

const asJson: FuzzTarget["mutate"] = (seed, _, random) => encoder.encode(mutateJson(decoder.decode(seed), random));
const asText: FuzzTarget["mutate"] = (seed, _, random) => encoder.encode(mutateText(decoder.decode(seed), random));

/** Whoever wants a lock looks at who holds it. */
async function lockTarget(path: string): Promise<FuzzTarget> {
  const lock = await acquireLock(path);
  const seed = new Uint8Array(readFileSync(path));
  await lock.release();
  return {
    name: "lock",
    seeds: [seed],
    mutate: asJson,
    read: async (input, past) => {
      writeFileSync(path, input);
      const holder = await lockHolder(path);
      // An unreadable one has no number of a process.
      if (holder === undefined || holder.pid !== 0) past();
    },
  };
}

function modelTarget(folder: string): FuzzTarget {
  mkdirSync(folder);
  const sum = "a".repeat(64);
  const record = {
    kind: "coordtok.model",
    version: 1,
    name: "hf:someone/model/weights.safetensors",
    commit: "b".repeat(40),
    validator: '"etag"',
    licence: "mit",
    fetchedAt: "2026-01-01T00:00:00Z",
    source: { bytes: 10, sha256: sum, sumFrom: "hub" },
    weights: { bytes: 10, sha256: sum, converted: false, holds: "tokenizer" },
  };
  return {
    name: "model-record",
    seeds: [encoder.encode(JSON.stringify(record))],
    mutate: asJson,
    read: async (input, past) => {
      writeFileSync(join(folder, "model.json"), input);
      await readRecord({ folder } as ModelPlace);
      past();
    },
  };
}

/** The record of files that were compared with their checksums: whatever it says, a file that is not the expected one is found. */
function checkedTarget(folder: string): FuzzTarget {
  mkdirSync(folder);
  writeFileSync(join(folder, "library.so"), "library");
  const good = { path: "library.so", bytes: 7, sha256: createHash("sha256").update("library").digest("hex") };
  const mark = `${good.sha256} 1 7 1700000000000000000 1700000000000000000`;
  return {
    name: "checked-files",
    seeds: [encoder.encode(JSON.stringify({ "library.so": mark }))],
    mutate: asJson,
    read: async (input, past) => {
      writeFileSync(join(folder, "checked.json"), input);
      if ((await checkFiles(folder, [good])) !== undefined) throw new Error("A good file is refused.");
      writeFileSync(join(folder, "checked.json"), input);
      if ((await checkFiles(folder, [{ ...good, sha256: "0".repeat(64) }])) === undefined)
        throw new Error("A file that is not the expected one passes.");
      past();
    },
  };
}

function resultsTarget(folder: string): FuzzTarget {
  mkdirSync(folder);
  const source = { bytes: 9, modifiedMs: 1.5, of: "whole", sha256: "f".repeat(64) };
  const records = { version: 1, results: { "a/b.coordtok": { source, settings: "0".repeat(64), result: source } } };
  return {
    name: "results",
    seeds: [encoder.encode(JSON.stringify(records))],
    mutate: asJson,
    read: async (input, past) => {
      writeFileSync(join(folder, ".coordtok-results.json"), input);
      await readRecords(folder);
      past();
    },
  };
}

/** A list that names videos of a folder. */
function listTarget(folder: string): FuzzTarget {
  for (const name of ["cats/a.mp4", "cats/b.mp4", "dogs/c d.avi"]) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), "");
  }
  const list = join(folder, "..", "train.txt");
  return {
    name: "list-of-videos",
    seeds: [encoder.encode("cats/a.mp4 1\ncats/b.mp4 1\r\ndogs/c d.avi\n")],
    mutate: asText,
    read: async (input, past) => {
      writeFileSync(list, input);
      const { videos } = await datasetVideos(folder, { labels: "auto", lists: [list] });
      if (videos.length > 3) throw new Error("A list names videos that the folder lacks.");
      past();
    },
  };
}

function configTarget(folder: string): FuzzTarget {
  const command = commands.find(({ name }) => name === "train-tokenizer")!;
  const known = flagsOf(command);
  const path = join(folder, "train.yaml");
  const yaml = [
    "# a training",
    "steps: 1000",
    "learning-rate: 1e-3",
    "preset: test",
    "set: { frames: 16, height: 32 }",
    "val: [a.mp4, b.mp4]",
    "paths: &videos [videos]",
    "out: run",
    "",
  ].join("\n");
  return {
    name: "training-config",
    seeds: [encoder.encode(yaml), encoder.encode(JSON.stringify({ steps: 1000, preset: "test", val: ["a.mp4"] }))],
    mutate: asText,
    read: async (input, past) => {
      writeFileSync(path, input);
      const called = { command, args: [], flags: { config: path }, given: new Set<string>() };
      await withConfigFile(called as unknown as Parameters<typeof withConfigFile>[0], known, () => undefined);
      past();
    },
  };
}

/** Frames of a training on disk; a damaged file counts as missing. */
async function framesTarget(folder: string): Promise<FuzzTarget> {
  const store = await FrameStore.open(2 ** 30, folder);
  const key = "c".repeat(64);
  const frame = (shade: number): { width: number; height: number; data: Uint8Array } => ({
    width: 3,
    height: 2,
    data: new Uint8Array(18).fill(shade),
  });
  await store.write(key, asStream([frame(1), frame(2), frame(3)]), undefined);
  const path = join(folder, `${key}.frames`);
  const seed = new Uint8Array(readFileSync(path));
  const [begin, end] = [Buffer.from(seed).indexOf("{"), seed.length - 12];
  return {
    name: "frames",
    seeds: [seed],
    mutate: (bytes, other, random) => {
      if (random.integer(3) === 0) return mutate(bytes, other, random);
      // Another description of its own length.
      const text = encoder.encode(mutateJson(decoder.decode(bytes.subarray(begin, end)), random));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(text.length);
      return Buffer.concat([bytes.subarray(0, begin), text, length, bytes.subarray(end + 4)]);
    },
    read: async (input, past) => {
      writeFileSync(path, input);
      await using found = await store.find(key);
      if (found === undefined) return;
      past();
      for (let start = 0; start < found.frameCount; start++) await found.read(start, 1);
    },
  };
}

async function* asStream<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}

/** Statistics of latents, as JSON and as the official trainer logs them. */
function statisticsTargets(): FuzzTarget[] {
  const tensor = (values: readonly number[]): string =>
    `tensor([${values.map((value) => value.toFixed(4)).join(", ")}])`;
  const log = ["xy", "yt", "xt"]
    .map(
      (plane) => `[2025-01-01] ${plane}_mean: ${tensor([0.1, -0.2])}\n[2025-01-01] ${plane}_std: ${tensor([1, 2])}\n`,
    )
    .join("");
  return [
    {
      name: "statistics-of-latents",
      seeds: [encoder.encode(JSON.stringify(smallStatistics))],
      mutate: (seed, _, random) => encoder.encode(mutateJson(decoder.decode(seed), random)),
      read: (input, past) => {
        let stored: Json;
        try {
          stored = JSON.parse(decoder.decode(input)) as Json;
        } catch {
          return Promise.resolve();
        }
        past();
        return Promise.resolve(void parseStats(stored));
      },
    },
    {
      name: "official-log",
      seeds: [encoder.encode(log)],
      mutate: (seed, _, random) => encoder.encode(mutateText(decoder.decode(seed), random)),
      read: async (input, past) => {
        statsFromOfficialLog(decoder.decode(input));
        past();
        return Promise.resolve();
      },
    },
  ];
}

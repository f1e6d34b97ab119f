import { isCoordTokError, openSafetensors, Random, type RangeSource, type TensorFile } from "@coordtok/core";
import { findStateDicts, openTorch } from "@coordtok/core/torch";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { legacyFile, mutate, randomPickle } from "./mutate.js";

/** The outcome of reading many mutated files. */
export interface FuzzReport {
  readonly inputs: number;
  /** The number of files that were still read to the last tensor. */
  readonly read: number;
  /** The number of files that were refused with one of our errors. */
  readonly refused: number;
  /** The longest time that one input took, in milliseconds. */
  readonly slowestMs: number;
  /** The most memory that reading one input held, in bytes per byte of the file. */
  readonly mostBytes: number;
  /** Unexpected outcomes, each with the input that shows it. */
  readonly failures: readonly { readonly problem: string; readonly input: Uint8Array }[];
}

/** An input that takes longer than this, in milliseconds, counts as a hang. */
const longestMs = 2000;

/** The files that mutations start from: those of `torch.save` and of safetensors in a folder, with small ones repeated. */
function seedsOf(folder: string): readonly Uint8Array[] {
  const files = readdirSync(folder)
    .filter((name) => /\.(pth|safetensors)$/.test(name))
    .map((name) => new Uint8Array(readFileSync(join(folder, name))));
  return files.flatMap((bytes) => Array<Uint8Array>(bytes.length < 5000 ? 12 : 1).fill(bytes));
}

/** Reads many mutated files and reports whether each was read or refused as it should be. */
export async function fuzzReaders(folder: string, inputs: number, seed: number): Promise<FuzzReport> {
  const random = new Random(seed);
  const seeds = seedsOf(folder);
  const totals = { read: 0, refused: 0, slowestMs: 0, mostBytes: 0 };
  const failures: { problem: string; input: Uint8Array }[] = [];
  for (let i = 0; i < inputs; i++) {
    const input = nextInput(seeds, random);
    const begin = performance.now();
    const { outcome, bytes } = await tryToRead(input);
    const ms = performance.now() - begin;
    const share = bytes / Math.max(1, input.length);
    totals.slowestMs = Math.max(totals.slowestMs, ms);
    totals.mostBytes = Math.max(totals.mostBytes, share);
    if (outcome === "read") totals.read++;
    else if (outcome === "refused") totals.refused++;
    else failures.push({ problem: outcome, input });
    if (ms > longestMs) failures.push({ problem: `took ${Math.round(ms)} ms`, input });
    if (share > 2) failures.push({ problem: `held ${bytes} bytes for a file of ${input.length}`, input });
  }
  return { inputs, ...totals, failures };
}

function nextInput(seeds: readonly Uint8Array[], random: Random): Uint8Array {
  if (random.integer(4) === 0) {
    const pickle = randomPickle(random);
    return legacyFile(random.integer(2) === 0 ? pickle : mutate(pickle, pickle, random));
  }
  return mutate(seeds[random.integer(seeds.length)]!, seeds[random.integer(seeds.length)]!, random);
}

/** Opens an input with both readers and reads every tensor that opens; `bytes` is the most memory held at a time. */
async function tryToRead(input: Uint8Array): Promise<{ outcome: string; bytes: number }> {
  let largestRead = 0;
  let bytes = 0;
  const source: RangeSource = {
    size: input.length,
    read: async (offset, length) => {
      if (!(offset >= 0 && length >= 0 && offset + length <= input.length))
        throw new RangeError(`a read of ${length} bytes at ${offset}`);
      largestRead = Math.max(largestRead, length);
      return input.slice(offset, offset + length);
    },
  };
  const readAll = async (file: TensorFile): Promise<void> => {
    for (const name of file.entries.keys()) {
      largestRead = 0;
      const tensor = await file.readBytes(name);
      bytes = Math.max(bytes, largestRead + tensor.length);
    }
  };
  try {
    const outcomes = [
      await outcomeOf(async () => readAll(await openSafetensors(source))),
      await outcomeOf(async () => {
        const file = await openTorch(source);
        bytes = Math.max(bytes, largestRead);
        findStateDicts(file.root);
        await readAll(file.tensors());
      }),
    ];
    return { outcome: outcomes.includes("read") ? "read" : "refused", bytes };
  } catch (thrown) {
    return { outcome: String(thrown), bytes };
  }
}

async function outcomeOf(read: () => Promise<void>): Promise<"read" | "refused"> {
  try {
    await read();
    return "read";
  } catch (thrown) {
    if (isCoordTokError(thrown)) return "refused";
    throw thrown;
  }
}

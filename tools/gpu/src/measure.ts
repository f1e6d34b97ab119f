// Measures one part on the graphics adapter of this machine and prints one JSON line a row. It runs from the folder that
// make-folder.ts makes, without a network: node measure.mjs PART [--small] [--composite] [--times] [--batches] [--toggles=DAWN'S].
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import { product, tiles, type Plan, type StockBackend, type Tile } from "@coordtok/backend/webgpu-product";
import { clipFromRgb, messageOf, Random } from "@coordtok/core";
import { createWorkload } from "@coordtok/benchmarks/workload";
import { runParity } from "@coordtok/parity/run";
import { LatticeCoordTok } from "@coordtok/tokenizer";
import { disposeTriplane } from "@coordtok/triplane";
import { add, backend, env, randomUniform, type Tensor2D } from "@tensorflow/tfjs-core";
import { countDispatches, gpuTimes } from "./watch.js";

const folder = import.meta.dirname;
const flags = process.argv.slice(3);
const small = flags.includes("--small");
const composite = flags.includes("--composite");

function print(row: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify(row));
}

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? NaN;
}

const rounded = (ms: number): number => Math.round(ms * 100) / 100;

/** Times a call: as a whole, and the part of it in which JavaScript queues work. */
async function time(name: string, call: () => Promise<void>, most = 4000): Promise<void> {
  const began = performance.now();
  await call();
  const first = performance.now() - began;
  await call();
  const [whole, queueing]: [number[], number[]] = [[], []];
  const counter = countDispatches();
  while (whole.length < 3 || (whole.length < 20 && performance.now() - began < most)) {
    const start = performance.now();
    const done = call();
    queueing.push(performance.now() - start);
    await done;
    whole.push(performance.now() - start);
  }
  const { dispatches, submits } = counter.stop();
  print({
    row: name,
    operations: composite ? "composite" : "fused",
    ms: rounded(median(whole)),
    best: rounded(Math.min(...whole)),
    queueing: rounded(median(queueing)),
    first: rounded(first),
    dispatches: Math.round(dispatches / whole.length),
    submits: Math.round(submits / whole.length),
    runs: whole.length,
  });
}

async function row(task: "encode" | "decode-slice" | "train-step" | "sit", preset: string): Promise<void> {
  const peer = { backend: "webgpu", precision: "fp32", frames: small ? 16 : 128, points: small ? 64 : 1024 } as const;
  const work = createWorkload({ ...peer, task, preset });
  await time(`${task} ${preset}`, work.run);
  // In one process: from one to the next the same call differs by a third.
  for (const size of flags.includes("--batches") ? [8, 15, 32, 64, 15] : []) {
    env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", size);
    await time(`${task} ${preset}, ${size} dispatches a submit`, work.run, 1500);
  }
  if (flags.includes("--times"))
    print({ row: `${task} ${preset}`, gpuMs: await gpuTimes(backend() as unknown as StockBackend, work.run) });
  work.dispose();
}

/** Tiles beside those in use, to choose from. */
const candidates: readonly Tile[] = [
  ...tiles,
  { rows: 128, columns: 128, depth: 8, ownRows: 8, ownColumns: 8 },
  { rows: 128, columns: 64, depth: 16, ownRows: 8, ownColumns: 8 },
  { rows: 64, columns: 64, depth: 16, ownRows: 8, ownColumns: 8 },
  { rows: 64, columns: 64, depth: 16, ownRows: 8, ownColumns: 4 },
  { rows: 64, columns: 64, depth: 32, ownRows: 4, ownColumns: 4 },
  { rows: 64, columns: 32, depth: 32, ownRows: 4, ownColumns: 4 },
  { rows: 32, columns: 32, depth: 32, ownRows: 8, ownColumns: 4 },
];

async function products(): Promise<void> {
  const square = small ? [64] : [512, 1024, 2048, 4096];
  for (const size of square) await eachTile(size, size, size, [1]);
  // Those of the preset S: attention's maps and the two of an MLP, for 1024 tokens and for a few.
  const shapes: readonly (readonly [number, number, number])[] = small
    ? [[64, 128, 64]]
    : [
        [1024, 512, 512],
        [1024, 512, 1536],
        [1024, 512, 2048],
        [1024, 2048, 512],
        [64, 512, 2048],
        [64, 2048, 512],
      ];
  for (const [rows, depth, columns] of shapes) await eachTile(rows, depth, columns, [1, 2, 4]);
}

async function eachTile(rows: number, depth: number, columns: number, slices: readonly number[]): Promise<void> {
  const gpu = backend() as unknown as StockBackend;
  const [a, b] = [randomUniform([rows, depth]), randomUniform([depth, columns])] as [Tensor2D, Tensor2D];
  for (const tile of small ? candidates.slice(2, 4) : candidates)
    for (const count of slices) await timeProduct(gpu, { tile, slices: count }, a, b);
  a.dispose();
  b.dispose();
}

async function timeProduct(gpu: StockBackend, plan: Plan, a: Tensor2D, b: Tensor2D): Promise<void> {
  const [rows, depth, columns] = [a.shape[0], a.shape[1], b.shape[1]];
  const flops = 2 * rows * depth * columns;
  const times = small ? 1 : Math.max(2, Math.min(100, Math.ceil(5e10 / flops)));
  const queue = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const shape = [rows, columns];
      const of = { a, b, bias: undefined, transposeA: false, transposeB: false, batch: 1, rows, columns, depth };
      const out = product(gpu, { ...of, aBatch: 0, bBatch: 0, shape }, plan);
      gpu.disposeData(out.dataId);
    }
    gpu.endComputePassEncoder();
    if (gpu.commandEncoder !== null) gpu.submitQueue();
  };
  queue(1);
  await gpu.device.queue.onSubmittedWorkDone();
  const start = performance.now();
  queue(times);
  await gpu.device.queue.onSubmittedWorkDone();
  const ms = (performance.now() - start) / times;
  const { tile, slices } = plan;
  print({
    row: `product ${[rows, depth, columns].join("x")}`,
    tile: `${[tile.rows, tile.columns, tile.depth].join("x")} by ${String(tile.ownRows)}x${String(tile.ownColumns)}`,
    slices,
    ms: Math.round(ms * 1e4) / 1e4,
    gigaflops: Math.round(flops / ms / 1e6),
  });
}

async function starter(): Promise<void> {
  const tokenizer = await LatticeCoordTok.load(new Uint8Array(readFileSync(join(folder, "starter.safetensors"))));
  const [frames, side] = small ? [4, 32] : [16, 128];
  const random = new Random(1);
  const data = Uint8Array.from({ length: frames * side * side * 3 }, () => random.uniform() * 256);
  const clip = clipFromRgb([{ data, frameCount: frames, height: side, width: side }]);
  await time("starter encode", async () => {
    const planes = tokenizer.encode(clip);
    await planes.xt.data();
    disposeTriplane(planes);
  });
  const planes = tokenizer.encode(clip);
  await time("starter decode", async () => {
    const decoded = await tokenizer.decode(planes);
    await decoded.frames.data();
    decoded.frames.dispose();
  });
  disposeTriplane(planes);
  tokenizer.dispose();
}

async function parity(): Promise<void> {
  const report = await runParity({
    folders: [join(folder, "fixtures")],
    onRun: ({ id }, { name }, { passed, worst, reason }) => {
      print({ row: `parity ${id} ${name}`, passed, off: worst?.maxError, allowed: worst?.allowed, reason });
    },
  });
  print({ row: "parity", passed: report.passed, failed: report.failed });
}

async function adapter(): Promise<void> {
  const gpu = (globalThis as unknown as { navigator: { gpu: GPU } }).navigator.gpu;
  const found = await gpu.requestAdapter();
  const limits: Record<string, number> = {};
  for (const name in found!.limits) limits[name] = (found!.limits as unknown as Record<string, number>)[name]!;
  const info = (found as unknown as { info: Record<string, unknown> }).info;
  const facts = Object.fromEntries(["vendor", "architecture", "device", "description"].map((key) => [key, info[key]]));
  print({ row: "adapter", ...facts, features: [...found!.features].sort(), limits });
  const numbers = randomUniform([2048]);
  await time("one addition, read back", async () => {
    const sum = add(numbers, 1);
    await sum.data();
    sum.dispose();
  });
  numbers.dispose();
}

const parts: Readonly<Record<string, () => Promise<void>>> = {
  adapter,
  products,
  encode: () => row("encode", small ? "tiny" : "S"),
  decode: () => row("decode-slice", small ? "tiny" : "S"),
  sit: () => row("sit", "S/2"),
  train: () => row("train-step", small ? "tiny" : "S"),
  starter,
  parity,
};

try {
  const part = parts[process.argv[2] ?? ""];
  if (part === undefined) throw new Error(`Expected one of ${Object.keys(parts).join(", ")}.`);
  const toggles = flags.find((flag) => flag.startsWith("--toggles="))?.slice("--toggles=".length);
  if (toggles !== undefined) {
    const { create, globals } = await import("webgpu");
    Object.assign(globalThis, globals);
    const gpu = create([`enable-dawn-features=${toggles}`]);
    Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
  }
  const began = performance.now();
  const loaded = await loadBackend("webgpu", { purpose: "training", fused: !composite });
  print({ row: "backend", device: loaded.device, fused: loaded.fused.text, ms: rounded(performance.now() - began) });
  await part();
} catch (thrown) {
  print({ row: "error", part: process.argv[2], message: messageOf(thrown) });
  process.exitCode = 1;
}

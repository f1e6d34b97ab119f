// Measures one part on the graphics adapter of this machine and prints one JSON line a row. It runs from the folder that
// make-folder.ts makes, without a network: node measure.mjs PART [--small] [--stock] [--fast].
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import { clipFromRgb, messageOf, Random } from "@coordtok/core";
import { createWorkload } from "@coordtok/benchmarks/workload";
import { runParity } from "@coordtok/parity/run";
import { LatticeCoordTok } from "@coordtok/tokenizer";
import { disposeTriplane } from "@coordtok/triplane";
import { add, backend, env, randomUniform, type Tensor2D } from "@tensorflow/tfjs-core";
import { product, tiles, type Tile } from "../../../packages/backend/src/webgpu/kernels/product.js";
import type { StockBackend } from "../../../packages/backend/src/webgpu/stock.js";
import { countDispatches, gpuTimes } from "./watch.js";

const folder = import.meta.dirname;
const flags = process.argv.slice(3);
const small = flags.includes("--small");
const stock = flags.includes("--stock");
const lightSecond = 1000;

function print(row: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify(row));
}

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? NaN;
}

const rounded = (ms: number): number => Math.round(ms * 100) / 100;

/** Times a call: as a whole, and the part of it in which JavaScript queues work. */
async function time(name: string, call: () => Promise<void>, most = 8 * lightSecond): Promise<void> {
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
    operations: stock ? "stock" : "fused",
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
  const work = createWorkload({ ...peer, task, preset } as Parameters<typeof createWorkload>[0]);
  await time(`${task} ${preset}`, work.run);
  if (flags.includes("--times")) print({ row: `${task} ${preset}`, gpuMs: await gpuTimes(backend() as never, work.run) });
  work.dispose();
}

async function products(): Promise<void> {
  const gpu = backend() as unknown as StockBackend;
  const sizes: readonly (readonly [number, number, number])[] = small
    ? [[64, 64, 64]]
    : [
        [512, 512, 512],
        [1024, 1024, 1024],
        [2048, 2048, 2048],
        [4096, 4096, 4096],
        [1024, 512, 512],
        [1024, 512, 1536],
        [1024, 512, 2048],
        [1024, 2048, 512],
        [64, 512, 2048],
      ];
  for (const [rows, depth, columns] of sizes) {
    const [a, b] = [randomUniform([rows, depth]), randomUniform([depth, columns])] as [Tensor2D, Tensor2D];
    for (const tile of tiles) await timeProduct(gpu, tile, a, b);
    a.dispose();
    b.dispose();
  }
}

async function timeProduct(gpu: StockBackend, tile: Tile, a: Tensor2D, b: Tensor2D): Promise<void> {
  const [rows, depth, columns] = [a.shape[0], a.shape[1], b.shape[1]];
  const flops = 2 * rows * depth * columns;
  const times = Math.max(2, Math.min(200, Math.ceil(2e11 / flops)));
  const queue = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const shape = [rows, columns];
      const of = { a, b, bias: undefined, transposeA: false, transposeB: false, batch: 1, rows, columns, depth };
      const out = product(gpu, { ...of, aBatch: 0, bBatch: 0, shape }, tile);
      gpu.disposeData(out.dataId);
    }
    gpu.endComputePassEncoder();
    gpu.submitQueue();
  };
  queue(1);
  await gpu.device.queue.onSubmittedWorkDone();
  const start = performance.now();
  queue(times);
  await gpu.device.queue.onSubmittedWorkDone();
  const ms = (performance.now() - start) / times;
  const name = `${String(tile.rows)}x${String(tile.columns)}x${String(tile.depth)}`;
  print({ row: `product ${[rows, depth, columns].join("x")}`, tile: name, ms: rounded(ms * 1000) / 1000, gigaflops: Math.round(flops / ms / 1e6) });
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
  sit: () => row("sit", "S"),
  train: () => row("train-step", small ? "tiny" : "S"),
  starter,
  parity,
};

try {
  const part = parts[process.argv[2] ?? ""];
  if (part === undefined) throw new Error(`Expected one of ${Object.keys(parts).join(", ")}.`);
  const began = performance.now();
  const loaded = await loadBackend("webgpu", { purpose: "training", fused: !stock });
  print({ row: "backend", device: loaded.device, fused: loaded.fused.text, ms: rounded(performance.now() - began) });
  const batch = flags.find((flag) => flag.startsWith("--batch="))?.slice("--batch=".length);
  if (batch !== undefined) env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", Number(batch));
  await part();
} catch (thrown) {
  print({ row: "error", part: process.argv[2], message: messageOf(thrown) });
  process.exitCode = 1;
}

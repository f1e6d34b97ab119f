import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { addReports, inputOf, type FuzzReport } from "./fuzz/run-fuzz.js";
import { allTargets } from "./fuzz/targets.js";
import type { WorkerTask } from "./fuzz/fuzz-worker.js";

const help = `Feeds changed inputs of every format to what reads it. Every input is read, or refused with one of our errors, within 2 s and
within twice its size and 64 MiB; whatever else happens is a fault, and its input is kept.

  pnpm fuzz                       1 000 000 inputs in two workers
  pnpm fuzz --inputs 50000 --seed 7 --only safetensors,bitstream
  pnpm fuzz --seed 1 --input 4711   reads one input again

Options: --inputs N (default 1000000), --seed N (default 1), --only NAMES, --workers N (default 2), --input N`;

/** An input that has not ended after this time never will. */
const longestSeconds = 60;
const saysEverySeconds = 30;

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== "--"),
  options: {
    inputs: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    workers: { type: "string", default: "2" },
    input: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const only = values.only.split(",").filter((name) => name !== "");
const [inputs, seed, workers] = [Number(values.inputs), Number(values.seed), Number(values.workers)];

/** TypeScript is not understood in a worker until it is registered there. */
const startWorker = `import(${JSON.stringify(import.meta.resolve("tsx/esm/api"))})
  .then(({ register }) => (register(), import(${JSON.stringify(new URL("./fuzz/fuzz-worker.ts", import.meta.url).href)})))`;

/** Runs a share of the inputs in a worker; one that hangs or ends early is a failure of the input that it was reading. */
function runWorker(first: number, count: number): Promise<Map<string, FuzzReport>> {
  const at = new SharedArrayBuffer(4);
  const now = new Int32Array(at);
  const workerData: WorkerTask = { first, inputs: count, seed, only, at };
  const worker = new Worker(startWorker, {
    eval: true,
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
  });
  progress.push({ first, now });
  return new Promise((done) => {
    let [last, since] = [-1, Date.now()];
    const failWith = (problem: string): void => {
      clearInterval(watch);
      const index = Atomics.load(now, 0);
      done(new Map([["worker", lost(index, problem)]]));
    };
    const watch = setInterval(() => {
      const index = Atomics.load(now, 0);
      if (index !== last) [last, since] = [index, Date.now()];
      else if (Date.now() - since > longestSeconds * 1000) {
        failWith(`did not end within ${longestSeconds} s`);
        void worker.terminate();
      }
    }, 1000);
    worker.once("message", (report: Map<string, FuzzReport>) => {
      clearInterval(watch);
      done(report);
    });
    worker.once("error", (error: Error) => failWith(`ended the worker: ${error.stack ?? String(error)}`));
  });
}

function lost(index: number, problem: string): FuzzReport {
  const failure = { target: "worker", index, problem, input: new Uint8Array() };
  return { inputs: 0, read: 0, refused: 0, pastHeader: 0, slowestMs: 0, mostBytes: 0, failures: [failure] };
}

const progress: { readonly first: number; readonly now: Int32Array }[] = [];

function report(reports: ReadonlyMap<string, FuzzReport>, seconds: number): number {
  const folder = join(tmpdir(), "coordtok-fuzz-failures");
  let failed = 0;
  const total = { inputs: 0, past: 0 };
  for (const [name, { inputs: count, read, refused, pastHeader, slowestMs, mostBytes, failures }] of reports) {
    const share = ((100 * pastHeader) / Math.max(1, count)).toFixed(0);
    console.log(
      `${name.padEnd(24)} ${String(count).padStart(8)} inputs, ${read} read, ${refused} refused, ${share} % past the head, at most ${Math.round(slowestMs)} ms and ${(mostBytes / 2 ** 20).toFixed(1)} MiB beyond twice the size`,
    );
    total.inputs += count;
    total.past += pastHeader;
    failed += failures.length;
    for (const { target, index, problem, input } of failures.slice(0, 5)) {
      mkdirSync(folder, { recursive: true });
      const path = join(folder, `${target}-${seed}-${index}.bin`);
      writeFileSync(path, input);
      console.log(`  FAIL #${index} ${path}\n    ${problem.split("\n").slice(0, 8).join("\n    ")}`);
    }
  }
  const share = ((100 * total.past) / Math.max(1, total.inputs)).toFixed(1);
  console.log(
    `${total.inputs} inputs, ${share} % past the head, ${failed} failures, ${Math.round(seconds)} s, seed ${seed}`,
  );
  return failed;
}

async function main(): Promise<number> {
  const begin = performance.now();
  const share = Math.ceil(inputs / workers);
  const runs = Array.from({ length: workers }, (_, i) => runWorker(i * share, Math.min(share, inputs - i * share)));
  const tell = setInterval(() => {
    const done = progress.reduce((sum, { first, now }) => sum + Math.max(0, Atomics.load(now, 0) - first), 0);
    console.error(`${done} of ${inputs} after ${Math.round((performance.now() - begin) / 1000)} s`);
  }, saysEverySeconds * 1000);
  const reports = addReports(await Promise.all(runs));
  clearInterval(tell);
  return report(reports, (performance.now() - begin) / 1000);
}

/** Reads one input of a run in this process. */
async function again(index: number): Promise<void> {
  const { targets, dispose } = await allTargets();
  try {
    const [target, input] = inputOf(
      targets.filter(({ name }) => only.length === 0 || only.includes(name)),
      seed,
      index,
    );
    console.log(`${target.name}, ${input.length} bytes`);
    await target.read(
      input,
      () => console.log("past the head"),
      () => undefined,
    );
    console.log("read");
  } finally {
    dispose();
  }
}

if (values.help) console.log(help);
else if (values.input !== undefined) await again(Number(values.input));
else process.exitCode = (await main()) === 0 ? 0 : 1;

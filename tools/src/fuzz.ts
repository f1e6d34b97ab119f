import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { addReports, inputOf, type FuzzReport } from "./fuzz/run-fuzz.js";
import { allTargets } from "./fuzz/targets.js";
import type { WorkerTask } from "./fuzz/fuzz-worker.js";

const help = `Feeds changed inputs of every format to what reads it. Every input is read, or refused with one of our errors, within 8 s and
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

/** How far a worker is, and what became of the inputs since it told so before. */
interface Told {
  readonly done: number;
  readonly report: ReadonlyMap<string, FuzzReport>;
}

let reports = new Map<string, FuzzReport>();
const add = (more: ReadonlyMap<string, FuzzReport>): void => void (reports = addReports([reports, more]));

/** Runs a share of the inputs in workers, one after the other: where one hangs or ends early, the next one begins behind its input. */
async function runShare(first: number, count: number): Promise<void> {
  const end = first + count;
  for (let next = first; next < end;) {
    const ended = await runWorker(next, end - next);
    if (ended === undefined) return;
    add(new Map([["worker", lost(ended.index, ended.problem)]]));
    next = ended.index + 1;
  }
}

/** @returns the input at which the worker hung or ended; `undefined` once all are read. */
function runWorker(
  first: number,
  count: number,
): Promise<{ readonly index: number; readonly problem: string } | undefined> {
  const at = new SharedArrayBuffer(4);
  const now = new Int32Array(at);
  Atomics.store(now, 0, first);
  const workerData: WorkerTask = { first, inputs: count, seed, only, at };
  const worker = new Worker(startWorker, {
    eval: true,
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
  });
  return new Promise((done) => {
    // Time of the processor, since a busy machine may leave a process waiting for minutes.
    let [last, since] = [-1, process.cpuUsage()];
    const watch = setInterval(() => {
      const index = Atomics.load(now, 0);
      const { user, system } = process.cpuUsage(since);
      if (index !== last) [last, since] = [index, process.cpuUsage()];
      else if ((user + system) / 1e6 > longestSeconds * workers)
        void worker.terminate().then(() => finish(`did not end within ${longestSeconds} s`));
    }, 1000);
    const finish = (problem?: string): void => {
      clearInterval(watch);
      done(problem === undefined ? undefined : { index: Atomics.load(now, 0), problem });
    };
    let reached = first;
    worker.on("message", (told: Told) => {
      reached = told.done;
      add(told.report);
    });
    worker.once("error", (error: Error) => finish(`ended the worker: ${error.stack ?? String(error)}`));
    worker.once("exit", () => finish(reached < first + count ? "ended the worker" : undefined));
  });
}

/** Such an input is read again by its number. */
function lost(index: number, problem: string): FuzzReport {
  const failure = { target: "worker", index, problem, input: new Uint8Array() };
  return { inputs: 0, read: 0, refused: 0, pastHeader: 0, slowestMs: 0, mostBytes: 0, failures: [failure] };
}

function report(seconds: number): number {
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
  const seconds = (): number => (performance.now() - begin) / 1000;
  const share = Math.ceil(inputs / workers);
  const done = (): number => [...reports.values()].reduce((sum, { inputs: count }) => sum + count, 0);
  const tell = setInterval(
    () => console.error(`${done()} of ${inputs} after ${Math.round(seconds())} s`),
    saysEverySeconds * 1000,
  );
  // What has been read so far counts also if nobody waits for the end.
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => process.exit(report(seconds()) === 0 ? 130 : 1));
  await Promise.all(
    Array.from({ length: workers }, (_, i) => runShare(i * share, Math.min(share, inputs - i * share))),
  );
  clearInterval(tell);
  return report(seconds());
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

import { parentPort, workerData } from "node:worker_threads";
import { fuzz } from "./run-fuzz.js";
import { allTargets } from "./targets.js";

/** What the program hands to a worker. */
export interface WorkerTask {
  readonly first: number;
  readonly inputs: number;
  readonly seed: number;
  readonly only: readonly string[];
  /** The number of the input being read, for the program to see one that never ends. */
  readonly at: SharedArrayBuffer;
}

/** The inputs between two reports, so that a run that is ended has told the most of what it did. */
const perReport = 500;

const { first, inputs, seed, only, at } = workerData as WorkerTask;
const now = new Int32Array(at);
const { targets, dispose } = await allTargets();
const chosen = targets.filter(({ name }) => only.length === 0 || only.includes(name));
const onInput = (index: number): void => void Atomics.store(now, 0, index);
for (let next = first; next < first + inputs; next += perReport) {
  const count = Math.min(perReport, first + inputs - next);
  parentPort?.postMessage({
    done: next + count,
    report: await fuzz(chosen, { inputs: count, seed, first: next, onInput }),
  });
}
dispose();

// One measurement in a separate process, so that it starts with the right environment and has its own memory peak. It takes a
// request as JSON in its argument and prints one line of JSON.
import { isCoordTokError, messageOf } from "@coordtok/core";
import { loadBackend, type LoadBackendOptions } from "@coordtok/backend";
import { profile } from "@tensorflow/tfjs-core";
import type { Case } from "./case.js";
import { latticeTimes } from "./lattice/lattice-times.js";
import { operationTimes, type OperationTime } from "./operations.js";
import { timedRuns } from "./timing.js";
import { createWorkload } from "./workload.js";

/** The request to a measuring process. */
export type Request =
  | {
      readonly kind: "case";
      readonly case: Case;
      /**
       * Number of timed runs; by default as many as fit into 3 seconds, at most 12, since the first ones run before the engine has
       * optimized our code.
       */
      readonly runs?: number | undefined;
      /** Whether to measure also the peak size of live tensors in a run. */
      readonly tensorBytes?: boolean | undefined;
    }
  | { readonly kind: "operations"; readonly backend: Case["backend"] }
  | { readonly kind: "lattice"; readonly backend: Case["backend"] };

/** The answer of a measuring process. */
export interface Measured {
  /** The duration of each timed run, in order. */
  readonly seconds: readonly number[];
  /** The peak resident memory of the process in bytes. */
  readonly peakBytes: number;
  readonly peakTensorBytes?: number | undefined;
  readonly operations?: readonly OperationTime[] | undefined;
  /** A short description of the device. */
  readonly device: string;
}

/** The answer when it cannot measure: one sentence. */
export interface Failed {
  readonly failed: string;
}

async function measure(request: Request): Promise<Measured> {
  const loaded =
    request.kind === "case"
      ? await loadBackend(request.case.backend as "auto", loadOptionsOf(request.case))
      : await loadBackend(request.backend as "auto", { purpose: "training" });
  const device = `${loaded.device}; ${Object.entries(loaded.versions)
    .map(([part, version]) => `${part} ${version}`)
    .join(", ")}`;
  if (request.kind === "lattice") return { seconds: [], peakBytes: 0, device, operations: await latticeTimes() };
  if (request.kind === "operations") return { seconds: [], peakBytes: 0, device, operations: await operationTimes() };
  const workload = createWorkload(request.case);
  const seconds = await timedRuns(workload.run, { warmUp: workload.warmUp, runs: request.runs });
  // This comes before the tensors are counted, which takes memory of its own.
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  const counted = request.tensorBytes === true ? await peakTensorBytes(workload.run) : undefined;
  workload.dispose();
  return { seconds, peakBytes, peakTensorBytes: counted, device };
}

function loadOptionsOf({ task, precision }: Case): LoadBackendOptions {
  return task.startsWith("train") ? { purpose: "training" } : { precision };
}

async function peakTensorBytes(run: () => Promise<void>): Promise<number> {
  const { peakBytes } = await profile(async () => {
    await run();
    return [];
  });
  return peakBytes;
}

try {
  const measured = await measure(JSON.parse(process.argv[2] ?? "") as Request);
  process.stdout.write(`${JSON.stringify(measured)}\n`);
} catch (thrown) {
  if (!isCoordTokError(thrown)) throw thrown;
  process.stdout.write(`${JSON.stringify({ failed: messageOf(thrown) } satisfies Failed)}\n`);
}

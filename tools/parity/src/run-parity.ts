import { messageOf, throwIfAborted, type LongCallOptions } from "@coordtok/core";
import { dispose, type Tensor } from "@tensorflow/tfjs-core";
import { compareRun, isWithin } from "./compare.js";
import { handlers } from "./handlers/index.js";
import { findCases, openCase } from "./read-case.js";
import type { ParityCase, ParityResult, ParityRun, WorstError } from "./types.js";

/** Options of {@link runParity}. */
export interface ParityOptions extends LongCallOptions {
  /** Folders that hold `<area>/<case>`; when several hold a case, the first one counts. */
  readonly folders: readonly string[];
  /** Runs only cases of this kind. */
  readonly kind?: string | undefined;
  /** Called with every run, for one line each. */
  readonly onRun?: ((parityCase: ParityCase, run: ParityRun, outcome: RunOutcome) => void) | undefined;
  /** Called with every case whose configuration was not read whole, and the reason for its failure. */
  readonly onUnread?: ((parityCase: ParityCase, reason: string) => void) | undefined;
  /** Called with every case that no handler covers. */
  readonly onNotCovered?: ((parityCase: ParityCase) => void) | undefined;
  /** Called with every case that cannot run here, and the reason. */
  readonly onSkipped?: ((id: string, reason: string) => void) | undefined;
}

/** The outcome of one run. */
export interface RunOutcome {
  readonly passed: boolean;
  readonly worst?: WorstError;
  readonly reason?: string;
}

/** The outcome of all cases. */
export interface ParityReport {
  readonly cases: readonly ParityResult[];
  readonly passed: number;
  readonly failed: number;
  readonly notCovered: number;
  readonly skipped: number;
}

/** Runs every parity case found on the backend in use. A case that throws counts as failed; the others still run. */
export async function runParity(options: ParityOptions): Promise<ParityReport> {
  const cases: ParityResult[] = [];
  for (const folder of (await findCases(options.folders)).values()) {
    throwIfAborted(options.signal);
    const { id, kind, parityCase, missing, close } = await openCase(folder);
    try {
      if (options.kind !== undefined && kind !== options.kind) continue;
      if (parityCase !== undefined) cases.push(await runCase(parityCase, options));
      else {
        const reason = `its weights ${missing} are missing`;
        options.onSkipped?.(id, reason);
        cases.push({ id, kind, status: "skipped", reason });
      }
    } finally {
      await close();
    }
  }
  const count = (status: ParityResult["status"]): number => cases.filter((one) => one.status === status).length;
  return {
    cases,
    passed: count("pass"),
    failed: count("fail"),
    notCovered: count("not-covered"),
    skipped: count("skipped"),
  };
}

async function runCase(parityCase: ParityCase, options: ParityOptions): Promise<ParityResult> {
  const { id, kind } = parityCase;
  if (!Object.hasOwn(handlers, kind)) {
    options.onNotCovered?.(parityCase);
    return { id, kind, status: "not-covered", reason: `no handler for the kind ${kind}` };
  }
  let worst: WorstError | undefined;
  let reason: string | undefined;
  for (const run of parityCase.runs) {
    throwIfAborted(options.signal);
    const outcome = await runOne(parityCase, run);
    options.onRun?.(parityCase, run, outcome);
    if (!outcome.passed) reason ??= outcome.reason ?? `${run.name} exceeds its tolerance`;
    if (outcome.worst !== undefined && (worst === undefined || ratio(outcome.worst) > ratio(worst)))
      worst = outcome.worst;
  }
  const unread = parityCase.unreadConfig();
  if (reason === undefined && unread.length > 0) {
    reason = `the handler of ${kind} did not read ${unread.join(", ")} of its config, so it computed something else`;
    options.onUnread?.(parityCase, reason);
  }
  return {
    id,
    kind,
    status: reason === undefined ? "pass" : "fail",
    ...(worst === undefined ? {} : { worst }),
    ...(reason === undefined ? {} : { reason }),
  };
}

function ratio({ maxError, allowed }: WorstError): number {
  return allowed === 0 ? (maxError === 0 ? 0 : Infinity) : maxError / allowed;
}

async function runOne(parityCase: ParityCase, run: ParityRun): Promise<RunOutcome> {
  try {
    const outputs = await handlers[parityCase.kind]!(parityCase, run);
    try {
      const worst = await compareRun(parityCase, run, outputs);
      return { passed: isWithin(worst), worst };
    } finally {
      dispose([...outputs.values()].filter((output): output is Tensor => "dataId" in output));
    }
  } catch (thrown) {
    return { passed: false, reason: messageOf(thrown) };
  }
}

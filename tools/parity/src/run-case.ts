import { messageOf, throwIfAborted } from "@coordtok/core";
import { dispose, type Tensor } from "@tensorflow/tfjs-core";
import { compareRun, isWithin } from "./compare.js";
import type { ParityCase, ParityHandler, ParityResult, ParityRun, WorstError } from "./types.js";

/** The outcome of one run. */
export interface RunOutcome {
  readonly passed: boolean;
  readonly worst?: WorstError;
  readonly reason?: string;
}

/** What is told of a case while it runs. */
export interface CaseListener {
  readonly signal?: AbortSignal | undefined;
  /** Called with every run, for one line each. */
  readonly onRun?: ((parityCase: ParityCase, run: ParityRun, outcome: RunOutcome) => void) | undefined;
  /** Called when the configuration was not read whole, with the reason for the failure. */
  readonly onUnread?: ((parityCase: ParityCase, reason: string) => void) | undefined;
}

/** Runs a case on the backend in use. What it throws makes it fail. */
export async function runCase(
  parityCase: ParityCase,
  handler: ParityHandler,
  options: CaseListener = {},
): Promise<ParityResult> {
  const { id, kind } = parityCase;
  let worst: WorstError | undefined;
  let reason: string | undefined;
  for (const run of parityCase.runs) {
    throwIfAborted(options.signal);
    const outcome = await runOne(parityCase, handler, run);
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

async function runOne(parityCase: ParityCase, handler: ParityHandler, run: ParityRun): Promise<RunOutcome> {
  try {
    const outputs = await handler(parityCase, run);
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

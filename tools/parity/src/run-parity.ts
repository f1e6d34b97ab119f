import { throwIfAborted, type LongCallOptions } from "@coordtok/core";
import { handlers } from "./handlers/index.js";
import { findCases, openCase } from "./read-case.js";
import { runCase, type CaseListener } from "./run-case.js";
import type { ParityCase, ParityResult } from "./types.js";

/** Options of {@link runParity}. */
export interface ParityOptions extends LongCallOptions, CaseListener {
  /** Folders that hold `<area>/<case>`; when several hold a case, the first one counts. */
  readonly folders: readonly string[];
  /** Runs only cases of this kind. */
  readonly kind?: string | undefined;
  /** Called with every case that no handler covers. */
  readonly onNotCovered?: ((parityCase: ParityCase) => void) | undefined;
  /** Called with every case that cannot run here, and the reason. */
  readonly onSkipped?: ((id: string, reason: string) => void) | undefined;
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
      if (parityCase !== undefined && Object.hasOwn(handlers, kind))
        cases.push(await runCase(parityCase, handlers[kind]!, options));
      else if (parityCase !== undefined) {
        options.onNotCovered?.(parityCase);
        cases.push({ id, kind, status: "not-covered", reason: `no handler for the kind ${kind}` });
      } else {
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

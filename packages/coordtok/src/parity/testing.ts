import { describeEachBackend, type TestBackendName } from "@coordtok/tools";
import { memory } from "@tensorflow/tfjs-core";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runParity } from "./run-parity.js";

const own = fileURLToPath(new URL("../../../../fixtures", import.meta.url));
const shared = fileURLToPath(new URL("../../../../../shared/fixtures", import.meta.url));

/** Whether all cases lie beside the repository. */
export const hasShared: boolean = existsSync(shared);

/** Options of {@link describeParity}. */
export interface ParitySuiteOptions {
  /** Only the cases of the repository, also where all lie beside it. */
  readonly ownOnly?: boolean;
  /** Why a kind is left out on a backend. */
  readonly reasonToSkip?: (kind: string, backend: TestBackendName) => string | undefined;
}

/** Runs the cases of some kinds on every backend. */
export function describeParity(
  title: string,
  kinds: readonly string[],
  { ownOnly = false, reasonToSkip }: ParitySuiteOptions = {},
): void {
  const folders = hasShared && !ownOnly ? [own, shared] : [own];
  describeEachBackend(title, (backend) => {
    for (const kind of kinds) {
      const reason = reasonToSkip?.(kind, backend);
      const note = reason === undefined ? "" : ` (skipped: ${reason})`;
      it.skipIf(reason !== undefined)(
        `${kind} agrees with the stored results and leaves no tensor behind${note}`,
        { timeout: 600_000 },
        async () => {
          const before = memory().numTensors;
          const report = await runParity({ folders, kind });
          expect(report.cases.filter(({ status }) => status !== "pass")).toEqual([]);
          expect(report.passed).toBeGreaterThan(0);
          expect(memory().numTensors).toBe(before);
        },
      );
    }
  });
}

import { CoordTokError } from "@coordtok/core";
import { existsSync } from "node:fs";
import type { RunOutcome } from "../../parity/run-parity.js";
import type { ParityCase, ParityRun } from "../../parity/types.js";
import { defineCommand, type AnyCommand } from "../command.js";
import { backendFlag } from "../common-flags.js";
import { text } from "../flags.js";

/** Where cases lie unless told otherwise, seen from the folder of the repository; the first that has a case counts. */
const defaultFolders = ["fixtures", "../shared/fixtures", "../shared/starter/fixtures"];

export const parityCommand: AnyCommand = defineCommand({
  name: "parity",
  summary: "compare with the published model: run the parity cases",
  description:
    "Runs every parity case found on the backend in use and prints, for each run, the largest error against what is allowed. Exit code 1 when any run is off. Kinds of cases that nothing covers yet are listed as not covered.",
  args: [],
  flags: {
    fixtures: text("folder of the cases, <area>/<case>/case.json below it", {
      value: "folder",
      defaultText: `${defaultFolders.slice(0, -1).join(", ")} and ${defaultFolders.at(-1)!}, where present`,
    }),
    kind: text("only cases of this kind, such as tokenizer/encode", { value: "kind" }),
    backend: backendFlag,
  },
  examples: ["parity", "parity --kind tokenizer/encode --backend wasm", "parity --fixtures cases --json"],
  computes: true,
  run: async ({ flags, signal, onProgress, note, warn }) => {
    const { loadBackend } = await import("@coordtok/backend");
    const { backendText } = await import("../../model.js");
    const { runParity } = await import("../../parity/run-parity.js");
    const folders = foldersOf(flags.fixtures);
    const backend = await loadBackend(flags.backend, { purpose: "training", signal });
    note(backendText(backend));
    backend.notes.forEach(warn);
    const lines: string[] = [];
    const report = await runParity({
      folders,
      kind: flags.kind,
      signal,
      onProgress,
      onRun: (parityCase, run, outcome) => void lines.push(runLine(parityCase, run, outcome)),
      onNotCovered: ({ id, kind }) => void lines.push(`not covered  ${id} (kind ${kind})`),
      onSkipped: (id, reason) => void lines.push(`skipped      ${id}: ${reason}`),
    });
    if (report.cases.length === 0)
      throw new CoordTokError(
        "input",
        `Expected parity cases${flags.kind === undefined ? "" : ` of kind ${flags.kind}`} in ${folders.join(" or ")}, found none.`,
      );
    const { passed, failed, notCovered, skipped } = report;
    lines.push(`${passed} cases passed, ${failed} failed, ${notCovered} not covered, ${skipped} skipped`);
    return { lines, data: report, exitCode: failed === 0 ? 0 : 1 };
  },
});

function foldersOf(asked: string | undefined): string[] {
  if (asked !== undefined && !existsSync(asked))
    throw new CoordTokError(
      "file-not-found",
      `There is no folder ${asked}; --fixtures takes the folder of the parity cases.`,
    );
  const folders = asked === undefined ? defaultFolders.filter((folder) => existsSync(folder)) : [asked];
  if (folders.length === 0)
    throw new CoordTokError(
      "file-not-found",
      `Expected parity cases in ${defaultFolders.join(" or ")}, found no such folder; pass --fixtures.`,
    );
  return folders;
}

function runLine({ id }: ParityCase, { name }: ParityRun, { passed, worst, reason }: RunOutcome): string {
  const verdict = (passed ? "pass" : "FAIL").padEnd(11);
  if (worst === undefined) return `${verdict}  ${id} ${name}: ${reason ?? "nothing was compared"}`;
  const { output, maxError, allowed } = worst;
  return `${verdict}  ${id} ${name}: ${output} off by ${maxError.toExponential(1)}, allowed ${allowed.toExponential(1)}`;
}

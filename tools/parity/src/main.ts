import { existsSync } from "node:fs";
import { backendCatalogue, loadBackend, type BackendChoice } from "@coordtok/backend";
import { CoordTokError, isCoordTokError } from "@coordtok/core";
import { jsonText } from "@coordtok/core/text";
import { Command, InvalidArgumentError } from "commander";
import type { RunOutcome } from "./run-case.js";
import { runParity } from "./run-parity.js";
import type { ParityCase, ParityRun } from "./types.js";

/** The default folders of cases, relative to the root of the repository. */
const defaultFolders = ["fixtures", "../shared/fixtures", "../shared/starter/fixtures"];

interface ParityFlags {
  readonly fixtures?: string;
  readonly kind?: string;
  readonly backend: BackendChoice;
  readonly json: boolean;
}

const program = new Command("parity")
  .description(
    "Compares with the published model: runs every parity case on the chosen backend and prints, for each run, the largest error and its tolerance. The exit code is 1 when any run exceeds its tolerance. Kinds of cases without a handler are listed as not covered.",
  )
  .option(
    "--fixtures <folder>",
    `folder of the cases, which holds <area>/<case>/case.json (default: ${defaultFolders.join(", ")}, if present)`,
  )
  .option("--kind <kind>", "run only cases of this kind, for example tokenizer/encode")
  .option("--backend <name>", "backend by name, or auto", readBackend, "auto")
  .option("--json", "print one JSON document instead of text", false)
  .addHelpText(
    "after",
    "\nExamples:\n  pnpm parity\n  pnpm parity --kind tokenizer/encode --backend wasm\n  pnpm parity --fixtures cases --json",
  );

function readBackend(given: string): BackendChoice {
  const names: readonly BackendChoice[] = ["auto", ...backendCatalogue.map(({ name }) => name)];
  const found = names.find((name) => name === given);
  if (found === undefined) throw new InvalidArgumentError(`Expected one of ${names.join(", ")}.`);
  return found;
}

function foldersOf(asked: string | undefined): string[] {
  const looked = asked === undefined ? defaultFolders : [asked];
  const folders = looked.filter((folder) => existsSync(folder));
  if (folders.length > 0) return folders;
  throw new CoordTokError(
    "file-not-found",
    `Expected parity cases in ${looked.join(" or ")}, found no such folder; name it with --fixtures.`,
  );
}

function runLine({ id }: ParityCase, { name }: ParityRun, { passed, worst, reason }: RunOutcome): string {
  const verdict = (passed ? "pass" : "FAIL").padEnd(11);
  if (worst === undefined) return `${verdict}  ${id} ${name}: ${reason ?? "nothing was compared"}`;
  const { output, maxError, allowed } = worst;
  return `${verdict}  ${id} ${name}: ${output} off by ${maxError.toExponential(1)}, allowed ${allowed.toExponential(1)}`;
}

async function main({ fixtures, kind, backend, json }: ParityFlags): Promise<number> {
  const folders = foldersOf(fixtures);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const { name, notes } = await loadBackend(backend, { purpose: "training", signal: stop.signal });
  const say = (line: string): void => {
    if (!json) console.log(line);
  };
  for (const note of notes) console.error(`Warning: ${note}`);
  say(`Backend ${name}`);
  const report = await runParity({
    folders,
    kind,
    signal: stop.signal,
    onRun: (parityCase, run, outcome) => say(runLine(parityCase, run, outcome)),
    onUnread: ({ id }, reason) => say(`FAIL         ${id}: ${reason}`),
    onNotCovered: ({ id, kind }) => say(`not covered  ${id} (kind ${kind})`),
    onSkipped: (id, reason) => say(`skipped      ${id}: ${reason}`),
  });
  if (report.cases.length === 0)
    throw new CoordTokError(
      "input",
      `Expected parity cases${kind === undefined ? "" : ` of kind ${kind}`} in ${folders.join(" or ")}, found none.`,
    );
  const { passed, failed, notCovered, skipped } = report;
  say(`${passed} cases passed, ${failed} failed, ${notCovered} not covered, ${skipped} skipped`);
  if (json) console.log(jsonText(report, 2));
  return failed === 0 ? 0 : 1;
}

program.parse(
  process.argv.slice(2).filter((argument) => argument !== "--"),
  { from: "user" },
);
try {
  process.exitCode = await main(program.opts<ParityFlags>());
} catch (thrown) {
  if (!isCoordTokError(thrown)) throw thrown;
  console.error(`Error: ${thrown.message}`);
  process.exitCode = thrown.code === "aborted" ? 130 : 1;
}

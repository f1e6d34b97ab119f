import { checkPackaging } from "./check-packages.js";
import { closingLine } from "./check-output.js";
import { problems, runTool } from "./check-command.js";
import {
  linkProblems,
  lockfileProblems,
  machinePathProblems,
  outsideDocumentProblems,
  registryHostProblems,
  sizeProblems,
  trackedFiles,
  type TrackedFile,
} from "./check-repository.js";
import { fusedTableProblems } from "./fused-table.js";
import { checkPackedPackages } from "./pack-test.js";
import { packageMetadataProblems } from "./package-metadata.js";
import { checkRelease } from "./release-check.js";
import { checkSite } from "./site.js";
import { wasmKernelProblems } from "./wasm-kernels.js";

/** An automated check. */
interface Check {
  readonly name: string;
  readonly what: string;
  /** Returns the problems found, an empty text when there are none, or the reason why it cannot run here. */
  readonly run: () => Promise<string | { readonly skipped: string }>;
}

/** The checks in the order in which they start; the first takes longest. */
const checks: readonly Check[] = [
  { name: "packaging", what: "the packed packages: files, entries, types", run: checkPackaging },
  { name: "types", what: "tsc over everything", run: tool("tsc", "-p", "tsconfig.json", "--pretty", "false") },
  { name: "lint", what: "eslint", run: tool("eslint", ".", "--max-warnings=0") },
  { name: "docs", what: "every public export has a docstring", run: tool("tsx", "tools/src/check-docs.ts") },
  {
    name: "options",
    what: "public functions check their options and receive no others",
    run: tool("tsx", "tools/src/check-options.ts"),
  },
  {
    name: "layering",
    what: "the direction of imports",
    run: tool("depcruise", "--config", ".dependency-cruiser.cjs", "packages", "tools", "examples", "benchmarks"),
  },
  { name: "dead-code", what: "unused files, exports and dependencies", run: tool("knip", "--no-progress") },
  { name: "format", what: "prettier", run: tool("prettier", "--check", ".", "--log-level=warn") },
  {
    name: "metadata",
    what: "keywords and origin of every package",
    run: () => Promise.resolve(packageMetadataProblems()),
  },
  { name: "site", what: "the reference and the guides build, without a dead link", run: checkSite },
  { name: "size", what: "a clone stays small", run: repository(sizeProblems) },
  { name: "paths", what: "no path of one machine", run: repository(machinePathProblems) },
  { name: "hosts", what: "no package registry", run: repository(registryHostProblems) },
  { name: "lockfile", what: "one lock file without addresses", run: repository(lockfileProblems) },
  {
    name: "links",
    what: "links and references lead to files and headings",
    run: repository((files) => [...linkProblems(files), ...outsideDocumentProblems(files)]),
  },
  {
    name: "kernels",
    what: "the files generated from the kernels and the tables of fused operations are committed",
    run: kernelProblems,
  },
  { name: "release", what: "a release that publishes nothing", run: checkRelease },
  { name: "packed", what: "the packed packages in a separate project", run: checkPackedPackages },
];

const lanes = 2;

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !checks.some((check) => check.name === name));
  if (unknown.length > 0) {
    console.error(`Unknown check ${unknown.join(", ")}; the checks are:`);
    for (const { name, what } of checks) console.error(`  ${name.padEnd(10)} ${what}`);
    return 1;
  }
  const chosen = checks.filter(({ name }) => names.length === 0 || names.includes(name));
  const { failed, skipped } = await runAll(chosen);
  failed.forEach(({ name, text }, index) => {
    const same = failed.slice(0, index).find((other) => other.text === text);
    console.log(`\n--- ${name}\n${same ? `Same as ${same.name} above.` : text}`);
  });
  if (failed.length > 0) console.log("");
  console.log(closingLine(chosen.length - failed.length - skipped, failed.length, skipped));
  return failed.length === 0 ? 0 : 1;
}

interface Failure {
  readonly name: string;
  readonly text: string;
}

/** Runs the checks two at a time; a failure does not stop the others. */
async function runAll(chosen: readonly Check[]): Promise<{ failed: readonly Failure[]; skipped: number }> {
  const waiting = [...chosen];
  const failed: Failure[] = [];
  let skipped = 0;
  const lane = async (): Promise<void> => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      const start = performance.now();
      const found = await check
        .run()
        .catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      const line = `${check.name.padEnd(10)} ${seconds.padStart(6)} s  ${check.what}`;
      if (typeof found !== "string") {
        skipped++;
        console.log(`skip ${line}: ${found.skipped}`);
        continue;
      }
      const text = found;
      console.log(`${text === "" ? "ok  " : "FAIL"} ${line}`);
      if (text !== "") failed.push({ name: check.name, text });
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { failed, skipped };
}

async function kernelProblems(): Promise<string | { readonly skipped: string }> {
  const problems = await fusedTableProblems();
  return problems === "" ? wasmKernelProblems() : problems;
}

function tool(name: string, ...args: readonly string[]): () => Promise<string> {
  return async () => problems(await runTool(name, args));
}

function repository(find: (files: readonly TrackedFile[]) => string[]): () => Promise<string> {
  return async () => find(await trackedFiles()).join("\n");
}

// Ctrl-C ends this process in the ordinary way, so that temporary folders are removed.
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));
process.exitCode = await main(process.argv.slice(2).filter((argument) => argument !== "--"));

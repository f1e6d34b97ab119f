import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compileInjector } from "./faults/compile-injector.js";
import { faultKinds, planOf, struck, tryFault, type Bench, type FaultKind, type Trial } from "./faults/run-faults.js";
import { scenarioNames, Scenarios, type ScenarioName } from "./faults/scenarios.js";

const help = `Lets the n-th operation on a file go wrong, for every n, while a command runs, then starts it again as a user would, and compares
what it makes with a run without faults.

  pnpm faults                                       all commands, all faults, every n
  pnpm faults --command convert --fault kill,torn
  pnpm faults --command setup --most 5 --seed 2     five operations of each fault, drawn by the seed
  pnpm faults --command convert --fault torn --at 3

Commands: ${scenarioNames.join(", ")}.
Faults: kill (SIGKILL before the operation), torn (in the middle of a write, or right behind another operation), enospc (the disk is full from
then on), eacces (the operation is forbidden).
Options: --command NAMES, --fault NAMES, --at N, --most N, --seed N (default 1), --json FILE (a summary). Run \`pnpm build\` before: the built
packages start faster. They are used if they are there.`;

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== "--"),
  options: {
    command: { type: "string", default: scenarioNames.join(",") },
    fault: { type: "string", default: faultKinds.join(",") },
    at: { type: "string" },
    most: { type: "string", default: "Infinity" },
    seed: { type: "string", default: "1" },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

function named<T extends string>(given: string, known: readonly T[], what: string): readonly T[] {
  return given.split(",").map((name) => {
    const found = known.find((one) => one === name);
    if (found === undefined) throw new Error(`Expected ${what} among ${known.join(", ")}, got ${name}.`);
    return found;
  });
}

async function main(folder: string): Promise<number> {
  const injector = compileInjector(folder);
  if ("missing" in injector) {
    console.log(`skipped: ${injector.missing}`);
    return 0;
  }
  const built = existsSync(fileURLToPath(new URL("../../packages/coordtok/dist/cli/main.js", import.meta.url)));
  const bench: Bench = { injector: injector.path, work: join(folder, "work"), log: join(folder, "operations") };
  const inputs = join(folder, "inputs");
  mkdirSync(inputs);
  const scenarios = new Scenarios(inputs, built);
  const trials: Trial[] = [];
  for (const name of named(values.command, scenarioNames, "commands"))
    trials.push(...(await runScenario(scenarios, name, named(values.fault, faultKinds, "faults"), bench)));
  const failed = trials.filter(({ problems }) => problems.length > 0);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ trials: trials.length, failed }, undefined, 2)}\n`);
  console.log(`${trials.length} faults, ${failed.length} with problems`);
  return failed.length === 0 ? 0 : 1;
}

async function runScenario(
  scenarios: Scenarios,
  name: ScenarioName,
  kinds: readonly FaultKind[],
  bench: Bench,
): Promise<Trial[]> {
  const plan = await planOf(await scenarios.scenario(name), bench);
  const varying = plan.varying.size === 0 ? "" : `; ${[...plan.varying].join(", ")} differ from run to run`;
  console.log(`${name}: ${plan.operations.length} operations, ${plan.wanted.size} files${varying}`);
  const trials: Trial[] = [];
  for (const kind of kinds)
    for (const operation of struck(plan, kind, Number(values.most), Number(values.seed))) {
      if (values.at !== undefined && operation.at !== Number(values.at)) continue;
      const trial = await tryFault(plan, kind, operation, bench);
      trials.push(trial);
      const verdict = trial.problems.length === 0 ? "ok  " : "FAIL";
      console.log(`${verdict} ${name} ${kind} at ${trial.at} of ${plan.operations.length} (${trial.operation})`);
      for (const problem of trial.problems) console.log(`       ${problem}`);
    }
  return trials;
}

if (values.help) console.log(help);
else {
  const folder = mkdtempSync(join(tmpdir(), "coordtok-faults-"));
  try {
    process.exitCode = await main(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

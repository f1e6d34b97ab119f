import { Random } from "@coordtok/core";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { contentOf, differencesOf, leftOvers, type Content } from "./compare-folders.js";

/** What goes wrong at an operation: the process is killed before it, in the middle of it, the disk is full from then on, it is forbidden. */
export const faultKinds = ["kill", "torn", "enospc", "eacces"] as const;
export type FaultKind = (typeof faultKinds)[number];

/** A command that is interrupted. */
export interface Scenario {
  readonly name: string;
  /** A folder with what the command reads; it runs in a copy. */
  readonly inputs: string;
  /** The program and its arguments, started in that copy. */
  readonly command: readonly string[];
  /** What a user starts instead where a message names `--resume`. */
  readonly resume?: readonly string[];
  /** The files and folders that it makes. */
  readonly results: readonly string[];
}

/** An operation on a file. */
export interface Operation {
  readonly at: number;
  readonly name: string;
  readonly takesSpace: boolean;
  readonly namesPath: boolean;
  readonly path: string;
}

/** A fault and what came of it. */
export interface Trial {
  readonly command: string;
  readonly fault: FaultKind;
  readonly at: number;
  readonly operation: string;
  /** What is wrong; empty where the result is that of a run without a fault. */
  readonly problems: readonly string[];
}

/** What a scenario does without faults. */
export interface Plan {
  readonly scenario: Scenario;
  readonly operations: readonly Operation[];
  readonly wanted: Content;
  /** Files that differ between two runs without faults. */
  readonly varying: ReadonlySet<string>;
}

/** Files that are best effort: without space for them a command still ends well. */
const bestEffort = /\/curve\.(?:svg|png)$|\/previews\/|\/strip\.png$|planes\.png$/;
const longestSeconds = 600;

/** The place where scenarios run: always the same path, since results name it. */
export interface Bench {
  readonly injector: string;
  /** A folder of its own. */
  readonly work: string;
  readonly log: string;
}

/** Runs a scenario without faults: twice, to see what differs anyway, and counts its operations. */
export async function planOf(scenario: Scenario, bench: Bench): Promise<Plan> {
  const contents: Content[] = [];
  rmSync(bench.log, { force: true });
  for (const fault of [undefined, { kind: "count" as const, at: 0 }]) {
    fresh(scenario, bench);
    const { code, stderr } = await run(scenario.command, bench, fault);
    if (code !== 0) throw new Error(`${scenario.name} fails without a fault: ${stderr.slice(-2000)}`);
    contents.push(contentOf(bench.work, scenario.results));
  }
  const [first, second] = contents as [Content, Content];
  if (first.size === 0) throw new Error(`${scenario.name} makes nothing.`);
  const varying = new Set([...first].flatMap(([path, text]) => (second.get(path) === text ? [] : [path])));
  const operations = readFileSync(bench.log, "utf8").trim().split("\n").map(operationOf);
  return { scenario, operations, wanted: first, varying };
}

function operationOf(line: string): Operation {
  const [at, name, space, path, ...rest] = line.split(" ");
  return {
    at: Number(at),
    name: name!,
    takesSpace: space === "space",
    namesPath: path === "path",
    path: rest.join(" "),
  };
}

/** The operations that a kind of fault can strike: all of them, or a number of them drawn by a seed. */
export function struck({ operations }: Plan, kind: FaultKind, most: number, seed: number): readonly Operation[] {
  const able = operations.filter(
    ({ takesSpace, namesPath }) => (kind !== "enospc" || takesSpace) && (kind !== "eacces" || namesPath),
  );
  if (able.length <= most) return able;
  const order = new Random(seed).permutation(able.length);
  return Array.from(order.slice(0, most), (i) => able[i]!).sort((a, b) => a.at - b.at);
}

/** Lets one operation go wrong, then does what a user does, and compares. */
export async function tryFault(plan: Plan, kind: FaultKind, operation: Operation, bench: Bench): Promise<Trial> {
  const { scenario } = plan;
  fresh(scenario, bench);
  const struckEnd = await run(scenario.command, bench, { kind, at: operation.at });
  const problems = wordsOf(struckEnd, kind);
  const differs = (): string[] => differencesOf(plan.wanted, contentOf(bench.work, scenario.results), plan.varying);
  if (struckEnd.code === 0) {
    // It ended well, so all is there that matters.
    problems.push(...differs().filter((difference) => !bestEffort.test(difference.split(" ")[0]!)));
  } else {
    const failed = await goOn(scenario, bench);
    if (failed !== undefined) problems.push(failed);
    else problems.push(...differs().filter((difference) => !isHarmless(difference)));
  }
  const left = leftOvers(bench.work, scenario.results);
  if (left.length > 0) problems.push(`left over: ${left.join(", ")}`);
  const { name, path } = operation;
  return { command: scenario.name, fault: kind, at: operation.at, operation: `${name} ${path}`, problems };
}

/** A picture may stem from the run before. */
function isHarmless(difference: string): boolean {
  return bestEffort.test(difference.split(" ")[0]!) && difference.endsWith(" differs");
}

/** What is wrong with how a command that was struck ended: it either ends well or says one sentence. */
function wordsOf({ code, stderr }: End, kind: FaultKind): string[] {
  if (/\n\s+at .+:\d+|This is a bug/.test(stderr)) return [`a stack trace: ${stderr.slice(-600)}`];
  const isEnd = code === 0 || ((kind === "enospc" || kind === "eacces") && code === 1 && stderr.trim() !== "");
  if (isEnd || ((kind === "kill" || kind === "torn") && code === null)) return [];
  return [`ends with ${String(code)}: ${stderr.slice(-300)}`];
}

/** Starts the same command again, and follows what its messages say. @returns what went wrong, if nothing helps. */
async function goOn(scenario: Scenario, bench: Bench): Promise<string | undefined> {
  const { command, resume } = scenario;
  const said: string[] = [];
  let next: readonly string[] | undefined = command;
  const tried = new Set<string>();
  while (next !== undefined && !tried.has(next.join(" "))) {
    tried.add(next.join(" "));
    const { code, stderr } = await run(next, bench);
    if (code === 0) return undefined;
    said.push(stderr.trim().split("\n").slice(-3).join(" ").slice(0, 400));
    if (resume !== undefined && stderr.includes("--resume") && !tried.has(resume.join(" "))) next = resume;
    else next = stderr.includes("--overwrite") ? [...command, "--overwrite"] : undefined;
  }
  return `cannot go on: ${said.join(" / then: ")}`;
}

function fresh({ inputs }: Scenario, { work }: Bench): void {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  cpSync(inputs, work, { recursive: true, preserveTimestamps: true });
}

interface End {
  readonly code: number | null;
  readonly stderr: string;
}

function run(
  command: readonly string[],
  { work, injector, log }: Bench,
  fault?: { readonly kind: FaultKind | "count"; readonly at: number },
): Promise<End> {
  const faulty =
    fault === undefined
      ? {}
      : {
          LD_PRELOAD: injector,
          FAULT_ROOT: work,
          FAULT_KIND: fault.kind,
          FAULT_AT: String(fault.at),
          ...(fault.kind === "count" ? { FAULT_LOG: log } : {}),
        };
  // One thread for files: the order of operations is then the same each time.
  const env = { ...process.env, NO_COLOR: "1", UV_THREADPOOL_SIZE: "1", UV_USE_IO_URING: "0", ...faulty };
  const child = spawn(command[0]!, command.slice(1), { cwd: work, env, stdio: ["ignore", "ignore", "pipe"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), longestSeconds * 1000);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code) => {
      clearTimeout(timer);
      done({ code, stderr });
    });
  });
}

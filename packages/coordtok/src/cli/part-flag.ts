import type { Part } from "@coordtok/core/checks";
import { InvalidArgumentError } from "commander";
import type { Flag } from "./flags.js";

/** A part, and where `auto` found it. */
export interface GivenPart extends Part {
  /** What gave it, as part of a sentence; absent for one that was written out. */
  readonly found?: string | undefined;
}

/** The flag of every command whose work can be divided. */
export const partFlag: Flag<GivenPart | undefined> = {
  value: "k/n|auto",
  help: "do one part of the work, for processes or machines that share the folder of results: part k of n, or auto for what Slurm says; auto/n for Kubernetes, AWS Batch and GNU parallel, which give the number of the part. The last one to end merges all",
  initial: undefined,
  defaultText: "all of the work",
  read: (given) => readPart(given, process.env),
};

const mostParts = 100_000;

/** The part to do, of which `auto` tells where it was found. */
export function partOf(
  { note }: { readonly note: (line: string) => void },
  given: GivenPart | undefined,
): Part | undefined {
  if (given === undefined) return undefined;
  const { number, of, found } = given;
  if (found !== undefined) note(`Part ${number} of ${of}, as ${found} says`);
  return { number, of };
}

/** Reads a part: `2/4`, `auto`, or `auto/4` where the surroundings give only the number of the part. @throws InvalidArgumentError. */
export function readPart(given: string, env: NodeJS.ProcessEnv): GivenPart {
  const [, number, of] = (/^\s*(\d{1,6})\/(\d{1,6})\s*$/.exec(given) ?? []).map(Number);
  if (number !== undefined && of !== undefined && number >= 1 && number <= of && of <= mostParts) return { number, of };
  const auto = /^\s*auto(?:\/(\d{1,6}))?\s*$/.exec(given);
  if (auto === null)
    throw new InvalidArgumentError("Expected k/n with k from 1 to n, for example 1/4, or auto, or auto/n.");
  const count = auto[1] === undefined ? undefined : Number(auto[1]);
  if (count !== undefined && (count < 1 || count > mostParts))
    throw new InvalidArgumentError(`Expected auto/n with n from 1 to ${mostParts}.`);
  return foundPart(count, env);
}

/** How the surroundings number the processes of one work. */
interface Scheduler {
  readonly name: string;
  /** The variable by which it is recognized. */
  readonly variable: string;
  readonly part: (count: number | undefined, env: NodeJS.ProcessEnv) => Part;
}

const schedulers: readonly Scheduler[] = [
  { name: "a Slurm array", variable: "SLURM_ARRAY_TASK_ID", part: slurmPart },
  { name: "Slurm's srun", variable: "SLURM_STEP_ID", part: (count, env) => counted(rankOf(env)!, count, "srun") },
  { name: "a Kubernetes Indexed Job", variable: "JOB_COMPLETION_INDEX", part: indexed("JOB_COMPLETION_INDEX", 0) },
  {
    name: "an AWS Batch array",
    variable: "AWS_BATCH_JOB_ARRAY_INDEX",
    part: indexed("AWS_BATCH_JOB_ARRAY_INDEX", 0, "AWS_BATCH_JOB_ARRAY_SIZE"),
  },
  { name: "GNU parallel", variable: "PARALLEL_SEQ", part: indexed("PARALLEL_SEQ", 1) },
];

function foundPart(count: number | undefined, env: NodeJS.ProcessEnv): GivenPart {
  const found = schedulers.filter(({ variable }) => (env[variable] ?? "") !== "");
  // The ranks of a step divide the tasks of an array further.
  const kinds = found.filter(({ variable }) => variable !== "SLURM_STEP_ID" || found[0]!.part !== slurmPart);
  const [scheduler, another] = kinds;
  if (scheduler === undefined) throw nothingFound(env);
  if (another !== undefined)
    throw new InvalidArgumentError(
      `${scheduler.name} (${scheduler.variable}) and ${another.name} (${another.variable}) both number this process; write the part out as k/n.`,
    );
  const part = scheduler.part(count, env);
  const names = found.slice(0, kinds.length === found.length ? 1 : 2).map(({ variable }) => variable);
  return { ...part, found: `${scheduler.name} (${names.join(" and ")})` };
}

function nothingFound(env: NodeJS.ProcessEnv): InvalidArgumentError {
  if ((env["SLURM_JOB_ID"] ?? "") !== "")
    return new InvalidArgumentError(
      "This Slurm job is no array and this process is none of srun's; submit it with --array=1-n, start it with srun, or write the part out as k/n.",
    );
  return new InvalidArgumentError(
    `Nothing numbers this process: none of ${schedulers.map(({ variable }) => variable).join(", ")} is set; write the part out as k/n.`,
  );
}

/** A task of an array, by its place among all; with srun's ranks in it, each of them. */
function slurmPart(count: number | undefined, env: NodeJS.ProcessEnv): Part {
  const id = numberIn(env, "SLURM_ARRAY_TASK_ID");
  const first = numberIn(env, "SLURM_ARRAY_TASK_MIN");
  const last = numberIn(env, "SLURM_ARRAY_TASK_MAX");
  const tasks = numberIn(env, "SLURM_ARRAY_TASK_COUNT");
  const step = env["SLURM_ARRAY_TASK_STEP"] === undefined ? 1 : numberIn(env, "SLURM_ARRAY_TASK_STEP");
  if (step < 1 || first + step * (tasks - 1) !== last)
    throw new InvalidArgumentError(
      `The ${tasks} tasks of this Slurm array, from ${first} to ${last}, are not numbered evenly; number them like --array=1-n, or write the part out as k/n.`,
    );
  const place = (id - first) / step;
  if (!Number.isInteger(place) || place < 0 || place >= tasks)
    throw new InvalidArgumentError(
      `SLURM_ARRAY_TASK_ID ${id} is none of this array's numbers from ${first} to ${last}.`,
    );
  const { number: rank, of: ranks } = rankOf(env) ?? { number: 1, of: 1 };
  return counted({ number: place * ranks + rank, of: tasks * ranks }, count, "Slurm");
}

/** The rank of a process that srun started. */
function rankOf(env: NodeJS.ProcessEnv): Part | undefined {
  if ((env["SLURM_STEP_ID"] ?? "") === "") return undefined;
  const ranks = numberIn(env, env["SLURM_STEP_NUM_TASKS"] === undefined ? "SLURM_NTASKS" : "SLURM_STEP_NUM_TASKS");
  const rank = numberIn(env, "SLURM_PROCID");
  if (rank >= ranks) throw new InvalidArgumentError(`SLURM_PROCID ${rank} is none of ${ranks} ranks.`);
  return { number: rank + 1, of: ranks };
}

/** Checks that the scheduler has as many tasks as were given. */
function counted(part: Part, count: number | undefined, scheduler: string): Part {
  if (count !== undefined && count !== part.of)
    throw new InvalidArgumentError(
      `${scheduler} runs ${part.of} tasks, not ${count}; leave the number out, or to run some parts again write the part out as k/n.`,
    );
  if (part.of > mostParts)
    throw new InvalidArgumentError(`${scheduler} runs ${part.of} tasks; the most are ${mostParts}.`);
  return part;
}

/** A scheduler that numbers its tasks, from `first` on, and says at most in another variable how many there are. */
function indexed(variable: string, first: number, size?: string): Scheduler["part"] {
  return (count, env) => {
    const known = size === undefined || env[size] === undefined ? undefined : numberIn(env, size);
    const of = count ?? known;
    if (of === undefined)
      throw new InvalidArgumentError(
        `${variable} does not say how many parts there are; write auto/n, for example auto/8.`,
      );
    if (known !== undefined && known !== of)
      throw new InvalidArgumentError(`${size!} is ${known}, but ${of} parts were given; leave the number out.`);
    const number = numberIn(env, variable) - first + 1;
    if (number < 1 || number > of)
      throw new InvalidArgumentError(
        `${variable} is ${number + first - 1}, but ${of} parts are numbered from ${first} to ${of - 1 + first}.`,
      );
    return { number, of };
  };
}

function numberIn(env: NodeJS.ProcessEnv, variable: string): number {
  const text = env[variable] ?? "";
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(
    text === "" ? `${variable} is not set.` : `${variable} is no whole number: ${JSON.stringify(text.slice(0, 40))}.`,
  );
}

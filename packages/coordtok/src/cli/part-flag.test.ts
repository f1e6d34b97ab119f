import { describe, expect, it } from "vitest";
import { readPart } from "./part-flag.js";

type Env = Readonly<Record<string, string>>;

const array = (id: number, min: number, max: number, count: number, step?: number): Env => ({
  SLURM_JOB_ID: "77",
  SLURM_PROCID: "0",
  SLURM_ARRAY_TASK_ID: String(id),
  SLURM_ARRAY_TASK_MIN: String(min),
  SLURM_ARRAY_TASK_MAX: String(max),
  SLURM_ARRAY_TASK_COUNT: String(count),
  ...(step === undefined ? {} : { SLURM_ARRAY_TASK_STEP: String(step) }),
});
const ranks = (rank: number, of: number): Env => ({
  SLURM_JOB_ID: "77",
  SLURM_STEP_ID: "0",
  SLURM_PROCID: String(rank),
  SLURM_NTASKS: String(of),
});

describe("--part", () => {
  it.each<[string, Env, string]>([
    ["2/4", {}, "2/4 undefined"],
    ["100000/100000", {}, "100000/100000 undefined"],
    ["auto", array(1, 1, 4, 4), "1/4 a Slurm array (SLURM_ARRAY_TASK_ID)"],
    ["auto", array(0, 0, 3, 4, 1), "1/4 a Slurm array (SLURM_ARRAY_TASK_ID)"],
    ["auto", array(6, 2, 8, 4, 2), "3/4 a Slurm array (SLURM_ARRAY_TASK_ID)"],
    ["auto/4", array(4, 1, 4, 4), "4/4 a Slurm array (SLURM_ARRAY_TASK_ID)"],
    ["auto", ranks(2, 3), "3/3 Slurm's srun (SLURM_STEP_ID)"],
    ["auto", { ...ranks(1, 9), SLURM_STEP_NUM_TASKS: "2" }, "2/2 Slurm's srun (SLURM_STEP_ID)"],
    ["auto", { ...array(3, 1, 4, 4), ...ranks(1, 2) }, "6/8 a Slurm array (SLURM_ARRAY_TASK_ID and SLURM_STEP_ID)"],
    ["auto/8", { JOB_COMPLETION_INDEX: "0" }, "1/8 a Kubernetes Indexed Job (JOB_COMPLETION_INDEX)"],
    ["auto/8", { AWS_BATCH_JOB_ARRAY_INDEX: "7" }, "8/8 an AWS Batch array (AWS_BATCH_JOB_ARRAY_INDEX)"],
    [
      "auto",
      { AWS_BATCH_JOB_ARRAY_INDEX: "7", AWS_BATCH_JOB_ARRAY_SIZE: "9" },
      "8/9 an AWS Batch array (AWS_BATCH_JOB_ARRAY_INDEX)",
    ],
    ["auto/8", { PARALLEL_SEQ: "8" }, "8/8 GNU parallel (PARALLEL_SEQ)"],
  ])("%s with %j is part %s", (given, env, expected) => {
    const { number, of, found } = readPart(given, env);
    expect(`${number}/${of} ${String(found)}`).toBe(expected);
  });

  it.each<[string, Env, string]>([
    ["0/4", {}, "for example 1/4"],
    ["5/4", {}, "for example 1/4"],
    ["1/100001", {}, "for example 1/4"],
    ["1/4/2", {}, "for example 1/4"],
    ["automatic", {}, "for example 1/4"],
    ["auto/0", {}, "from 1 to 100000"],
    ["auto", {}, "none of SLURM_ARRAY_TASK_ID, SLURM_STEP_ID"],
    ["auto", { SLURM_JOB_ID: "1", SLURM_PROCID: "0", SLURM_NTASKS: "4" }, "start it with srun"],
    ["auto", array(4, 1, 5, 3, 1), "not numbered evenly"],
    ["auto", array(9, 1, 4, 4), "none of this array's numbers"],
    ["auto/8", array(3, 3, 3, 1), "Slurm runs 1 tasks, not 8"],
    ["auto", { ...array(1, 1, 4, 4), SLURM_ARRAY_TASK_ID: "1; rm -rf /" }, "no whole number"],
    ["auto", { SLURM_ARRAY_TASK_ID: "1" }, "SLURM_ARRAY_TASK_MIN is not set"],
    ["auto", ranks(3, 3), "none of 3 ranks"],
    ["auto", { JOB_COMPLETION_INDEX: "0" }, "for example auto/8"],
    ["auto/4", { JOB_COMPLETION_INDEX: "4" }, "numbered from 0 to 3"],
    ["auto/4", { JOB_COMPLETION_INDEX: "-1" }, "no whole number"],
    ["auto/4", { PARALLEL_SEQ: "0" }, "numbered from 1 to 4"],
    ["auto/4", { AWS_BATCH_JOB_ARRAY_INDEX: "0", AWS_BATCH_JOB_ARRAY_SIZE: "8" }, "is 8, but 4 parts"],
    ["auto/4", { JOB_COMPLETION_INDEX: "0", PARALLEL_SEQ: "1" }, "both number this process"],
  ])("%s with %j is refused: %s", (given, env, expected) => {
    expect(() => readPart(given, env)).toThrow(expected);
  });
});

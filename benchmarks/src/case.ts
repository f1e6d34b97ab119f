import type { Precision } from "@coordtok/backend";
import { CoordTokError, suggest } from "@coordtok/core";
import { presetNames as sitPresetNames } from "@coordtok/diffusion";
import { preset, presetNames } from "@coordtok/tokenizer";

/** The tasks that are timed and compared with PyTorch. */
export const tasks = ["encode", "decode-slice", "decode-clip", "train-step", "sit"] as const;

/** The name of a task. Training on every patch serves only as a comparison for training on sampled ones. */
export type Task = (typeof tasks)[number] | "train-step-every-patch";

const tokenizerTasks = tasks.filter((task) => task !== "sit");

/** The backends that are measured by default; `cpu` would take hours. */
const usualBackends = ["tensorflow", "wasm"] as const;

/** One measurement: everything that its processes need to know. */
export interface Case {
  readonly task: Task;
  readonly preset: string;
  readonly backend: string;
  /** The precision of the native backend's matrix products. */
  readonly precision: Precision;
  /** Number of frames of the clip. */
  readonly frames: number;
  /** N, the number of patches decoded together. */
  readonly points: number;
}

/** The cases that are measured by default; L is not trained. */
export function usualCases(): Case[] {
  const picked: [task: Task, preset: string][] = [
    ...["small", "S"].flatMap((name) => tokenizerTasks.map((task): [Task, string] => [task, name])),
    ...tokenizerTasks.slice(0, 3).map((task): [Task, string] => [task, "L"]),
    ...["S/2", "L/2"].map((name): [Task, string] => ["sit", name]),
  ];
  return usualBackends.flatMap((backend) => picked.map(([task, name]) => caseOf(task, name, backend)));
}

/** The number of frames of the clips of the paper's generator. */
const sitFrames = 128;

/** Makes a case with the clip length that its preset is made for. */
export function caseOf(task: Task, name: string, backend: string): Case {
  const frames = task === "sit" ? sitFrames : preset(name).clip.frames;
  return { task, preset: name, backend, precision: "fp32", frames, points: 1024 };
}

/** The cases that a precision can compute: bf16 is for inference on the native backend. */
export function withPrecision(cases: readonly Case[], precision: Precision): Case[] {
  const able = ({ task, backend }: Case): boolean =>
    precision === "fp32" || (backend === "tensorflow" && !task.startsWith("train"));
  const kept = cases.filter(able).map((one) => ({ ...one, precision }));
  if (kept.length === 0)
    throw new CoordTokError("usage", "--precision: bf16 is for encode, decode-slice and decode-clip on tensorflow.");
  return kept;
}

/**
 * Selects the cases that `--only TASK,PRESET,BACKEND` names; parts omitted at the end, or `*`, stand for all default ones.
 * @throws CoordTokError `usage` for a name that does not exist.
 */
export function pickCases(picks: readonly string[]): Case[] {
  const found = new Map<string, Case>();
  for (const pick of picks) {
    const [task = "*", name = "*", backend = "*", ...rest] = pick.split(",");
    if (rest.length > 0) throw new CoordTokError("usage", `--only: expected TASK,PRESET,BACKEND, got "${pick}".`);
    checkName(task, tasks, "task");
    const belongs = (given: string): readonly string[] => (given === "sit" ? sitPresetNames : presetNames);
    checkName(name, task === "*" ? [...presetNames, ...sitPresetNames] : belongs(task), "preset");
    checkName(backend, [...usualBackends, "cpu"], "backend");
    const usual = usualCases();
    const choices = <T extends string>(given: string, of: (one: Case) => T): T[] =>
      given === "*" ? [...new Set(usual.map(of))] : [given as T];
    for (const one of choices(backend, (row) => row.backend))
      for (const size of choices(name, (row) => row.preset))
        for (const what of choices(task, (row) => row.task))
          if (belongs(what).includes(size) && (task !== "*" || size !== "L" || what !== "train-step"))
            found.set([what, size, one].join(), caseOf(what, size, one));
  }
  return [...found.values()];
}

function checkName(given: string, names: readonly string[], kind: string): void {
  if (given !== "*" && !names.includes(given))
    throw new CoordTokError("usage", `--only: unknown ${kind} "${given}"${suggest(given, names)}`);
}

import { writeAtomically } from "@coordtok/core/node";
import { caseOf, type Task } from "./case.js";
import type { BenchFlags } from "./flags.js";
import { lengthPicture } from "./length-picture.js";
import { checkFiles, createBusyWatch, isSkippable, machineLine, note, writeRows } from "./report.js";
import { measureInChild } from "./spawn.js";
import { gigabytesText, secondsText, tableLines } from "./table.js";
import { median } from "./timing.js";

/** The cost of one task for a clip of one length. */
export interface LengthRow {
  readonly task: Task;
  readonly preset: string;
  readonly backend: string;
  readonly frames: number;
  /** N, the number of patches decoded together. */
  readonly points: number;
  readonly medianSeconds: number;
  /** The peak resident memory of the process in bytes. */
  readonly peakBytes: number;
  /** The peak size of live tensors in bytes, weights included. */
  readonly peakTensorBytes: number;
}

const measured: readonly Task[] = ["encode", "decode-clip", "train-step", "train-step-every-patch"];

/** Measures the cost against the length of the clip, prints a table, and draws it. */
export async function benchLengths(flags: BenchFlags, signal: AbortSignal): Promise<void> {
  await checkFiles(flags.json, flags.picture);
  note(machineLine(undefined));
  const isBusy = createBusyWatch();
  const rows: LengthRow[] = [];
  for (const frames of flags.frames)
    for (const task of measured) {
      note(`${task}, ${frames} frames`);
      await isBusy();
      try {
        rows.push(await lengthRow(task, frames, flags, signal));
      } catch (thrown) {
        if (!isSkippable(thrown)) throw thrown;
        note(`Not measured: ${thrown.message}`);
      }
      await writeRows(flags.json, rows);
    }
  const cells = rows.map((row) => [
    ...[row.task, String(row.frames), secondsText(row.medianSeconds)],
    ...[gigabytesText(row.peakBytes), gigabytesText(row.peakTensorBytes)],
  ]);
  console.log(tableLines([["task", "frames", "time", "peak", "peak of tensors"], ...cells]).join("\n"));
  if (flags.picture !== undefined)
    await writeAtomically(flags.picture, `${lengthPicture(rows)}\n`, { overwrite: true });
}

async function lengthRow(task: Task, frames: number, flags: BenchFlags, signal: AbortSignal): Promise<LengthRow> {
  const { preset, backend, points } = flags;
  const one = { ...caseOf(task, preset, backend), frames, points };
  const { seconds, peakBytes, peakTensorBytes } = await measureInChild(
    { kind: "case", case: one, tensorBytes: true },
    signal,
  );
  return {
    task,
    preset,
    backend,
    frames,
    points,
    medianSeconds: median(seconds),
    peakBytes,
    peakTensorBytes: peakTensorBytes!,
  };
}

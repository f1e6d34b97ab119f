import { CoordTokError, throwIfAborted } from "@coordtok/core";
import type { CommonOptions } from "./options.js";
import { readingFailure, type PlannedClip } from "./clip-plan.js";
import type { EvaluationFolder, Journal } from "./evaluation-folder.js";
import type { MeasuredClip } from "./measure-clip.js";
import { isMeasured, type FailedRecord } from "./record.js";

/** How the clips of one series are measured. */
export interface ClipRun<R extends { readonly index: number }> {
  readonly task: string;
  readonly folder: EvaluationFolder;
  readonly journal: Journal<R | FailedRecord>;
  readonly clips: readonly PlannedClip[];
  /** Measures a clip and tells how much it has done, counted in frames. */
  readonly measure: (clip: PlannedClip, onWork: (frames: number) => void) => Promise<MeasuredClip<R>>;
  /** Chooses the clips whose strips are kept, given all records so far. */
  readonly stripsOf: (records: readonly R[]) => ReadonlySet<number>;
  /** Names the strip file of a clip. */
  readonly stripKey: (index: number) => string;
  /** Returns a figure to show beside the progress. */
  readonly detail?: ((records: readonly R[]) => string) | undefined;
}

/**
 * Measures the clips that have no record yet. A clip that cannot be measured gets a record with the reason.
 * @throws CoordTokError the reason when no clip can be measured, for example because the frames are too small for a measure; then
 *   no record is written.
 */
export async function runClips<R extends { readonly index: number; readonly frames: number }>(
  run: ClipRun<R>,
  options: CommonOptions,
): Promise<R[]> {
  const { journal, clips } = run;
  const done = new Set(journal.records.map(({ index }) => index));
  const left = clips.filter(({ index }) => !done.has(index));
  if (left.length < clips.length && left.length > 0)
    options.onNote?.(`Resuming: ${clips.length - left.length} of ${clips.length} clips are measured`);
  const measured = journal.records.filter((record): record is R => isMeasured<R>(record));
  const progress = clipProgress(run, left, options);
  // Until one clip succeeds, the fault may lie in the setup rather than in the clips.
  const failures: FailedRecord[] = [];
  for (const clip of left) {
    throwIfAborted(options.signal);
    try {
      const result = await run.measure(clip, (frames) => progress.work(frames, measured));
      checkComplete(clip, result.record.frames);
      for (const failure of failures.splice(0)) await leaveOut(run, failure, options);
      await keepStrip(run, measured, result);
      await journal.add(result.record, result.features);
      measured.push(result.record);
    } catch (thrown) {
      throwIfAborted(options.signal);
      const failed = readingFailure(thrown, clips.length);
      failures.push({ index: clip.index, name: clip.video.name, failed });
      if (measured.length > 0) for (const failure of failures.splice(0)) await leaveOut(run, failure, options);
    }
    progress.clip(clip, measured);
  }
  if (failures.length > 0)
    throw new CoordTokError(
      "input",
      `None of the ${failures.length} clips can be measured; the first, of "${failures[0]!.name}": ${failures[0]!.failed}`,
    );
  return measured.sort((a, b) => a.index - b.index);
}

async function leaveOut<R extends { readonly index: number }>(
  { journal }: ClipRun<R>,
  failure: FailedRecord,
  { onWarning }: CommonOptions,
): Promise<void> {
  onWarning?.(`Left out: ${failure.name}: ${failure.failed}`);
  await journal.add(failure);
}

/** @throws CoordTokError `input` for a clip with fewer frames than planned. */
export function checkComplete({ video, start, length }: PlannedClip, frames: number): void {
  if (length === undefined || frames === length) return;
  throw new CoordTokError("input", `"${video.path}" yields ${frames} of the ${length} frames from frame ${start} on.`);
}

async function keepStrip<R extends { readonly index: number }>(
  { folder, stripsOf, stripKey }: ClipRun<R>,
  before: readonly R[],
  { record, strip }: MeasuredClip<R>,
): Promise<void> {
  const [old, wanted] = [stripsOf(before), stripsOf([...before, record])];
  if (strip && wanted.has(record.index)) await folder.writeStrip(stripKey(record.index), strip);
  for (const index of old) if (!wanted.has(index)) await folder.removeStrip(stripKey(index));
}

/** Reports progress in frames when their total is known, otherwise in clips. */
function clipProgress<R extends { readonly index: number }>(
  { task, clips, detail }: ClipRun<R>,
  left: readonly PlannedClip[],
  { onProgress }: CommonOptions,
): { work: (frames: number, records: readonly R[]) => void; clip: (clip: PlannedClip, records: readonly R[]) => void } {
  const byFrames = clips.every(({ expected }) => expected !== undefined);
  const weight = (clip: PlannedClip): number => (byFrames ? clip.expected! : 1);
  const sum = (list: readonly PlannedClip[]): number => list.reduce((all, clip) => all + weight(clip), 0);
  const total = sum(clips);
  let before = total - sum(left);
  let within = 0;
  const tell = (records: readonly R[]): void => {
    const text = [
      ...(byFrames && clips.length > 1
        ? [`clip ${Math.min(records.length + 1, clips.length)} of ${clips.length}`]
        : []),
      ...(detail && records.length > 0 ? [detail(records)] : []),
    ].join(", ");
    // The last frame is reported together with its clip, when the record is written.
    const done = Math.min(Math.floor(before + within), total);
    onProgress?.({ task, done, total, unit: byFrames ? "frames" : "clips", detail: text });
  };
  return {
    work: (frames, records) => {
      if (byFrames) within = Math.min(within + frames, Math.max(0, total - before - 1));
      tell(records);
    },
    clip: (clip, records) => {
      before += weight(clip);
      within = 0;
      tell(records);
    },
  };
}

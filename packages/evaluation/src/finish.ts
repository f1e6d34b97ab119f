import { jsonText } from "@coordtok/core/text";
import type { PooledStatistics } from "@coordtok/metrics";
import { fileNames, type EvaluationFolder } from "./evaluation-folder.js";
import { reportPage, type Strips } from "./page.js";
import { isMeasured, type ClipRecord, type FailedRecord, type SetRecord } from "./record.js";
import { generationReport, reconstructionReport, type EvaluationReport, type ReportParts } from "./report.js";
import type { EvaluationSettings } from "./settings.js";
import { bestAndWorst } from "./shown-clips.js";
import { poolStatistics, type Side } from "./statistics-file.js";

/** The files of an evaluation. */
export interface EvaluationFiles {
  /** The report as JSON. */
  readonly report: string;
  /** The report as one HTML file. */
  readonly page: string;
  /** The pooled feature vectors, one file for each side that has any. */
  readonly statistics: readonly string[];
}

/** A report and the files it was written to. */
export interface WrittenEvaluation {
  /** The numbers, and how each of them was computed. */
  readonly report: EvaluationReport;
  /** The files that were written. */
  readonly files: EvaluationFiles;
}

/** The records, and the statistics if there are feature vectors, of one folder or several. */
export interface Measured<R> {
  readonly records: readonly R[];
  readonly failed: readonly FailedRecord[];
}

/** Sorts the records of one series into measured and failed clips, in the order of the clips. */
export function measuredOf<R extends { readonly index: number }>(all: readonly (R | FailedRecord)[]): Measured<R> {
  const sorted = [...all].sort((a, b) => a.index - b.index);
  return {
    records: sorted.filter((record): record is R => isMeasured<R>(record)),
    failed: sorted.filter((record): record is FailedRecord => !isMeasured(record)),
  };
}

/** Writes the report of one folder of reconstructions. */
export async function finishReconstruction(
  folder: EvaluationFolder,
  settings: EvaluationSettings,
): Promise<WrittenEvaluation> {
  const journal = await folder.journal<ClipRecord | FailedRecord>("clips");
  const statistics = settings.i3d && {
    reference: await poolStatistics(folder, journal, "reference", settings),
    other: await poolStatistics(folder, journal, "other", settings),
  };
  return writeReconstruction(folder, settings, measuredOf<ClipRecord>(journal.records), [folder], statistics);
}

/** Writes the report of reconstructions whose clips and strips may be spread over several folders. */
export async function writeReconstruction(
  folder: EvaluationFolder,
  settings: EvaluationSettings,
  { records, failed }: Measured<ClipRecord>,
  strips: readonly EvaluationFolder[],
  statistics: ReportParts["statistics"],
): Promise<WrittenEvaluation> {
  const report = reconstructionReport(records, partsOf(settings, failed, statistics));
  const { best, worst } = bestAndWorst(records);
  const rows = async (list: readonly ClipRecord[]): Promise<Strips["rows"]> =>
    Promise.all(list.map(async (record) => ({ record, png: await findStrip(strips, String(record.index)) })));
  return write(folder, report, [
    { title: "Best clips by PSNR", rows: await rows(best) },
    { title: "Worst clips by PSNR", rows: await rows(worst) },
  ]);
}

/** The number of clips of a set that a report shows. */
export const shownOfSet = 4;

/** Writes the report of one or two sets of videos. */
export async function writeGeneration(
  folder: EvaluationFolder,
  settings: EvaluationSettings,
  sets: Readonly<Record<Side, Measured<SetRecord>>>,
  strips: readonly EvaluationFolder[],
  statistics: { readonly reference: PooledStatistics; readonly other?: PooledStatistics },
): Promise<WrittenEvaluation> {
  const failed = [...sets.reference.failed, ...sets.other.failed];
  const records = { reference: sets.reference.records, other: sets.other.records };
  const report = generationReport(records, partsOf(settings, failed, statistics));
  const rows = async (side: Side): Promise<Strips["rows"]> =>
    Promise.all(
      records[side]
        .slice(0, shownOfSet)
        .map(async (record) => ({ record, png: await findStrip(strips, `${side}-${record.index}`) })),
    );
  const shown = [
    { title: "Real clips", rows: await rows("reference") },
    { title: "Generated clips", rows: await rows("other") },
  ];
  return write(
    folder,
    report,
    shown.filter((one) => one.rows.length > 0),
  );
}

function partsOf(
  settings: EvaluationSettings,
  failed: readonly FailedRecord[],
  statistics: ReportParts["statistics"],
): ReportParts {
  const left = failed.map(({ name, failed: reason }) => ({ name, reason }));
  const leftOut = [...settings.environment.leftOut, ...left];
  const warnings =
    leftOut.length === 0
      ? []
      : [`Left out: ${leftOut.length} of the videos and clips; report.json and the page list them.`];
  return { settings, leftOut, warnings, statistics };
}

async function findStrip(folders: readonly EvaluationFolder[], key: string): Promise<Uint8Array | undefined> {
  for (const folder of folders) {
    const png = await folder.readStrip(key);
    if (png) return png;
  }
  return undefined;
}

async function write(
  folder: EvaluationFolder,
  report: EvaluationReport,
  strips: readonly Strips[],
): Promise<WrittenEvaluation> {
  const json = await folder.write(fileNames.report, `${jsonText(report, 2)}\n`);
  const page = await folder.write(fileNames.page, reportPage(report, strips));
  const statistics = await folder.statisticsFiles();
  await folder.finish();
  return { report, files: { report: json, page, statistics } };
}

import { CoordTokError } from "@coordtok/core";
import { frechetDistance, pearson, spearman, summarize, type PooledStatistics, type Summary } from "@coordtok/metrics";
import type { LeftOut } from "./clip-plan.js";
import { protocolText } from "./protocol.js";
import type { ClipRecord, FrameMeasureName, SanityRecord, Scores, SetRecord } from "./record.js";
import { sanityMade } from "./sanity.js";
import type { EvaluationSettings } from "./settings.js";

/** The Fréchet video distance of two sets, and what it is made of. */
export interface FvdReport {
  /** The distance: the next two terms minus twice the last. */
  readonly distance: number;
  /** Squared distance of the means. */
  readonly meanTerm: number;
  /** Sum of the traces of both covariances. */
  readonly traceTerm: number;
  /** Trace of the root of their product. */
  readonly rootTerm: number;
  /** Feature vectors of each side. */
  readonly referenceVectors: number;
  /** Feature vectors of the other side. */
  readonly otherVectors: number;
  /** Numbers in a feature vector. */
  readonly dimension: number;
}

/** How a measure runs over the frames of the clips. */
export interface FrameCurve {
  /** One value per frame index, over all clips that have it. */
  readonly mean: readonly number[];
  /** The value that a tenth of the clips is below. */
  readonly lowTenth: readonly number[];
  /** The value that a tenth of the clips is above. */
  readonly highTenth: readonly number[];
  /** How many values each point is of. */
  readonly count: readonly number[];
}

/** How the PSNR of clips goes with a quantity of them. */
export interface Correlation {
  /** Linear correlation, -1 to 1. */
  readonly pearson: number;
  /** Correlation of the ranks, -1 to 1. */
  readonly spearman: number;
  /** Clips that count: those with a finite PSNR. */
  readonly count: number;
}

/** One baseline row, and the evaluated form on the same clips. */
export interface SanityRow {
  /** What the row is of. */
  readonly name: string;
  /** How many clips it is over. */
  readonly clips: number;
  /** Means over these clips. */
  readonly scores: Scores;
  /** What a clip takes, in words. */
  readonly takes: string;
}

/** One evaluation: numbers, and how each of them was made. */
export interface EvaluationReport {
  /** What the file is. */
  readonly kind: "coordtok/evaluation";
  /** The version of its form. */
  readonly format: 1;
  /** When it was put together, in ISO 8601. */
  readonly created: string;
  /** Which clips, in words. */
  readonly protocol: string;
  /** All that decided the numbers. */
  readonly settings: EvaluationSettings;
  /** How each number was computed, by its name. */
  readonly made: Readonly<Record<string, string>>;
  /** Clips that were measured, of each side. */
  readonly counts: { readonly reference: number; readonly other: number };
  /** Each measure over the clips. */
  readonly measures: Readonly<Record<string, Summary>>;
  /** The Fréchet video distance, where features were made. */
  readonly fvd?: FvdReport | undefined;
  /** Each measure over the frames. */
  readonly curves: Readonly<Record<string, FrameCurve>>;
  /** How PSNR goes with motion and detail; for at least three clips. */
  readonly correlation?: Readonly<Record<"motion" | "detail", Correlation>> | undefined;
  /** The baseline rows. */
  readonly sanity?: readonly SanityRow[] | undefined;
  /** Clips without their per-frame values, which are in the `jsonl` files. */
  readonly clips: { readonly reference: readonly ShortRecord[]; readonly other?: readonly SetRecord[] };
  /** What was not evaluated. */
  readonly leftOut: readonly LeftOut[];
  /** Sentences that a reader of the numbers should see. */
  readonly warnings: readonly string[];
}

/** A clip in a report. */
export type ShortRecord = Omit<ClipRecord, "perFrame" | "sanity"> | SetRecord;

/** What a report is put together from. */
export interface ReportParts {
  readonly settings: EvaluationSettings;
  readonly leftOut: readonly LeftOut[];
  readonly warnings?: readonly string[];
  readonly statistics?: { readonly reference: PooledStatistics; readonly other?: PooledStatistics } | undefined;
}

/** The report of reconstructions. */
export function reconstructionReport(records: readonly ClipRecord[], parts: ReportParts): EvaluationReport {
  const measures = summaries(records, ["psnrDb", "ssim", "msSsim", "lpips", "seamRatio", "motion", "detail"]);
  const equal = records.filter(({ psnrDb }) => psnrDb === Infinity).length;
  const warnings =
    equal === 0 ? [] : [`${equal} of ${records.length} clips came back without any error: their PSNR is infinite.`];
  const sanity = sanityRows(records, parts.settings.sanity?.text ?? "");
  return {
    ...common(parts, warnings, parts.settings.sanity ? sanityMade : {}),
    counts: { reference: records.length, other: records.length },
    measures,
    curves: frameCurves(records),
    correlation: correlations(records),
    ...(sanity.length === 0 ? {} : { sanity }),
    clips: { reference: records.map(({ perFrame, sanity, ...rest }) => rest) },
  };
}

/** The report of two sets of videos, or of one. */
export function generationReport(
  sets: { readonly reference: readonly SetRecord[]; readonly other: readonly SetRecord[] },
  parts: ReportParts,
): EvaluationReport {
  const names = ["motion", "detail"] as const;
  const labelled = (records: readonly SetRecord[], label: string): Record<string, Summary> =>
    Object.fromEntries(Object.entries(summaries(records, names)).map(([name, value]) => [`${label}.${name}`, value]));
  return {
    ...common(parts, [], {}),
    counts: { reference: sets.reference.length, other: sets.other.length },
    measures: { ...labelled(sets.reference, "real"), ...labelled(sets.other, "generated") },
    curves: {},
    clips: { reference: sets.reference, other: sets.other },
  };
}

function common(
  { settings, leftOut, statistics, warnings = [] }: ReportParts,
  more: readonly string[],
  rows: Readonly<Record<string, string>>,
): Pick<
  EvaluationReport,
  "kind" | "format" | "created" | "protocol" | "settings" | "made" | "fvd" | "leftOut" | "warnings"
> {
  const fvd = statistics && distance(statistics);
  const shard = settings.shard;
  const part = shard
    ? [`This is part ${shard.index} of ${shard.count}; merge all parts for the whole evaluation.`]
    : [];
  return {
    kind: "coordtok/evaluation",
    format: 1,
    created: new Date().toISOString(),
    protocol: isStored(settings) ? "as the statistics were made (see fvd)" : protocolText(settings.protocol),
    settings,
    made: { ...settings.made, ...contentMade, ...rows },
    ...(fvd?.report ? { fvd: fvd.report } : {}),
    leftOut,
    warnings: [...part, ...warnings, ...more, ...(fvd?.warnings ?? [])],
  };
}

/** Whether both sides are statistics of earlier evaluations, so that no clip was chosen here. */
function isStored({ task, reference, other }: EvaluationSettings): boolean {
  return task !== "reconstruction" && reference.videos === 0 && (other?.videos ?? 0) === 0;
}

const contentMade = {
  motion: "mean absolute difference of consecutive frames, values in [0, 1]; of the originals",
  detail: "mean length of the brightness gradient (3x3 Sobel, BT.601), values in [0, 1]; of the originals",
};

function distance({ reference, other }: NonNullable<ReportParts["statistics"]>): {
  report?: FvdReport;
  warnings: readonly string[];
} {
  if (!other) return { warnings: [] };
  const [referenceVectors, otherVectors] = [reference.count, other.count];
  if (Math.min(referenceVectors, otherVectors) < 2)
    return {
      warnings: [
        `There is no Fréchet distance: it takes at least 2 feature vectors of each side, there are ${referenceVectors} and ${otherVectors}.`,
      ],
    };
  const { warnings, ...terms } = frechetDistance(reference, other);
  if (!Object.values(terms).every(Number.isFinite))
    throw new CoordTokError(
      "not-finite",
      "The Fréchet distance is not finite: the feature statistics are damaged; make them again.",
    );
  return { report: { ...terms, referenceVectors, otherVectors, dimension: reference.dimension }, warnings };
}

function summaries<K extends string>(
  records: readonly { readonly [name in K]?: number | undefined }[],
  names: readonly K[],
): Partial<Record<K, Summary>> & Record<string, Summary> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const values = records.flatMap((record) => (record[name] === undefined ? [] : [record[name]]));
      return values.length === 0 ? [] : [[name, summarize(values)]];
    }),
  ) as Partial<Record<K, Summary>> & Record<string, Summary>;
}

/** Curves over more frames than this are means over neighbours. */
const curvePoints = 512;

function frameCurves(records: readonly ClipRecord[]): Record<string, FrameCurve> {
  const names = Object.keys(records[0]?.perFrame ?? {}) as FrameMeasureName[];
  return Object.fromEntries(
    names.map((name) => [name, frameCurve(records.map(({ perFrame }) => perFrame[name] ?? []))]),
  );
}

function frameCurve(series: readonly (readonly number[])[]): FrameCurve {
  const length = series.reduce((longest, { length }) => Math.max(longest, length), 0);
  const step = Math.ceil(length / curvePoints);
  const points = Array.from({ length: Math.ceil(length / step) }, (_, i) => {
    const values = series.flatMap((one) => one.slice(i * step, (i + 1) * step));
    return summarize(values);
  });
  const of = (name: keyof Summary): number[] => points.map((point) => point[name]);
  return { mean: of("mean"), lowTenth: of("lowTenth"), highTenth: of("highTenth"), count: of("count") };
}

function correlations(records: readonly ClipRecord[]): EvaluationReport["correlation"] {
  const finite = records.filter(({ psnrDb }) => Number.isFinite(psnrDb));
  if (finite.length < 3) return undefined;
  const rates = finite.map(({ psnrDb }) => psnrDb!);
  const against = (name: "motion" | "detail"): Correlation => {
    const values = finite.map((record) => record[name]);
    return { pearson: pearson(values, rates), spearman: spearman(values, rates), count: finite.length };
  };
  return { motion: against("motion"), detail: against("detail") };
}

const scoreNames = ["psnrDb", "ssim", "msSsim", "lpips"] as const;

function sanityRows(records: readonly ClipRecord[], takes: string): SanityRow[] {
  const chosen = records.filter(({ sanity }) => sanity !== undefined);
  const rows = chosen.map(({ sanity }) => sanity!);
  if (rows.length === 0) return [];
  const coded = rows.flatMap(({ h264 }) => (h264 ? [h264] : []));
  const means = (list: readonly Scores[]): Scores =>
    Object.fromEntries(Object.entries(summaries(list, scoreNames)).map(([name, { mean }]) => [name, mean]));
  const rowOf = (name: string, list: readonly Scores[], takes: string): SanityRow => ({
    name,
    clips: list.length,
    scores: means(list),
    takes,
  });
  return [
    rowOf("evaluated", chosen, takes),
    rowOf(
      "plain downsampling",
      rows.map(({ downsampled }) => downsampled),
      downsampledText(rows),
    ),
    ...(coded.length === 0 ? [] : [rowOf("H.264", coded, codedText(coded))]),
  ];
}

function downsampledText(rows: readonly SanityRecord[]): string {
  const values = summarize(rows.map(({ downsampled }) => downsampled.values));
  const sizes = new Set(rows.map(({ downsampled }) => downsampled.size));
  return sizes.size === 1 ? `${values.mean} values: ${[...sizes][0]!}` : `${Math.round(values.mean)} values on average`;
}

function codedText(rows: readonly NonNullable<SanityRecord["h264"]>[]): string {
  const [bytes, wanted] = [summarize(rows.map(({ bytes }) => bytes)), summarize(rows.map(({ wanted }) => wanted))];
  const above = rows.filter(({ bytes, wanted }) => bytes > wanted).length;
  const note = above === 0 ? "" : `; ${above} clips need more even at the lowest quality`;
  return `${Math.round(bytes.mean)} of ${Math.round(wanted.mean)} bytes on average${note}`;
}

import { CoordTokError } from "@coordtok/core";
import { countText } from "@coordtok/core/text";
import { frechetDistance, pearson, spearman, summarize, type PooledStatistics, type Summary } from "@coordtok/metrics";
import type { LeftOut } from "./clip-plan.js";
import { protocolText } from "./protocol.js";
import type { ClipRecord, FrameMeasureName, SanityRecord, Scores, SetRecord } from "./record.js";
import { sanityMade } from "./sanity.js";
import type { EvaluationSettings } from "./settings.js";

/** The Fréchet video distance of two sets, and its terms. */
export interface FvdReport {
  /** The distance: the next two terms minus twice the last. */
  readonly distance: number;
  /** The squared distance of the means. */
  readonly meanTerm: number;
  /** The sum of the traces of both covariances. */
  readonly traceTerm: number;
  /** The trace of the square root of the product of both covariances. */
  readonly rootTerm: number;
  /** Number of feature vectors of the reference side. */
  readonly referenceVectors: number;
  /** Number of feature vectors of the other side. */
  readonly otherVectors: number;
  /** Number of values in a feature vector. */
  readonly dimension: number;
}

/** A measure over the frame index of the clips. */
export interface FrameCurve {
  /** The mean per frame index, over all clips that have the frame. */
  readonly mean: readonly number[];
  /** The 10 % quantile of the clips. */
  readonly lowTenth: readonly number[];
  /** The 90 % quantile of the clips. */
  readonly highTenth: readonly number[];
  /** Number of values behind each point. */
  readonly count: readonly number[];
}

/** The correlation of the PSNR of clips with a property of them. */
export interface Correlation {
  /** Linear correlation, -1 to 1. */
  readonly pearson: number;
  /** Correlation of the ranks, -1 to 1. */
  readonly spearman: number;
  /** Number of clips with a finite PSNR, which alone count. */
  readonly count: number;
}

/** One baseline row, or the evaluated form on the same clips. */
export interface SanityRow {
  /** The name of the row. */
  readonly name: string;
  /** Number of clips. */
  readonly clips: number;
  /** Means over these clips. */
  readonly scores: Scores;
  /** The space that a clip takes, in words. */
  readonly takes: string;
}

/** The report of one evaluation: the numbers, and how each of them was computed. */
export interface EvaluationReport {
  /** Identifies the file. */
  readonly kind: "coordtok/evaluation";
  /** The version of the format. */
  readonly format: 1;
  /** The time of writing, in ISO 8601. */
  readonly created: string;
  /** The protocol, in words. */
  readonly protocol: string;
  /** All settings that determine the numbers. */
  readonly settings: EvaluationSettings;
  /** How each number was computed, by its name. */
  readonly made: Readonly<Record<string, string>>;
  /** Number of clips measured on each side. */
  readonly counts: { readonly reference: number; readonly other: number };
  /** A summary of each measure over the clips. */
  readonly measures: Readonly<Record<string, Summary>>;
  /** The Fréchet video distance, if features were computed. */
  readonly fvd?: FvdReport | undefined;
  /** Each measure over the frame index. */
  readonly curves: Readonly<Record<string, FrameCurve>>;
  /** The correlation of PSNR with motion and detail; for at least three clips. */
  readonly correlation?: Readonly<Record<"motion" | "detail", Correlation>> | undefined;
  /** The baseline rows. */
  readonly sanity?: readonly SanityRow[] | undefined;
  /** Clips without their per-frame values, which are in the `jsonl` files. */
  readonly clips: { readonly reference: readonly ShortRecord[]; readonly other?: readonly SetRecord[] };
  /** Videos and clips that were not evaluated. */
  readonly leftOut: readonly LeftOut[];
  /** Sentences that a reader of the numbers should see. */
  readonly warnings: readonly string[];
}

/** A clip in a report. */
export type ShortRecord = Omit<ClipRecord, "perFrame" | "sanity"> | SetRecord;

/** The parts that a report is assembled from. */
export interface ReportParts {
  readonly settings: EvaluationSettings;
  readonly leftOut: readonly LeftOut[];
  readonly warnings?: readonly string[];
  readonly statistics?: { readonly reference: PooledStatistics; readonly other?: PooledStatistics } | undefined;
}

/** Assembles the report of reconstructions. */
export function reconstructionReport(records: readonly ClipRecord[], parts: ReportParts): EvaluationReport {
  const measures = summaries(records, ["psnrDb", "ssim", "msSsim", "lpips", "seamRatio", "motion", "detail"]);
  const equal = records.filter(({ psnrDb }) => psnrDb === Infinity).length;
  const warnings =
    equal === 0 ? [] : [`${equal} of ${records.length} clips came back without any error; their PSNR is infinite.`];
  warnings.push(...damageWarnings(records));
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

/** Assembles the report of two sets of videos, or of one. */
export function generationReport(
  sets: { readonly reference: readonly SetRecord[]; readonly other: readonly SetRecord[] },
  parts: ReportParts,
): EvaluationReport {
  const names = ["motion", "detail"] as const;
  const labelled = (records: readonly SetRecord[], label: string): Record<string, Summary> =>
    Object.fromEntries(Object.entries(summaries(records, names)).map(([name, value]) => [`${label}.${name}`, value]));
  return {
    ...common(parts, damageWarnings([...sets.reference, ...sets.other]), {}),
    counts: { reference: sets.reference.length, other: sets.other.length },
    measures: { ...labelled(sets.reference, "real"), ...labelled(sets.other, "generated") },
    curves: {},
    clips: { reference: sets.reference, other: sets.other },
  };
}

/** A sentence about the videos of which only a part decodes. */
function damageWarnings(records: readonly { readonly name: string; readonly damage?: string | undefined }[]): string[] {
  const damaged = new Map(records.flatMap(({ name, damage }) => (damage === undefined ? [] : [[name, damage]])));
  const [first] = damaged;
  if (!first) return [];
  return [
    `Of ${countText(damaged.size, "video")} only a part decodes, which was measured; the first is ${first[0]}: ${first[1]}. The list of clips names all.`,
  ];
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
    ? [`This is part ${shard.index} of ${shard.count}; merge all parts to get the whole evaluation.`]
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

/** Whether both sides are statistics from earlier evaluations, so that no clip was chosen here. */
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
        `There is no Fréchet distance: it needs at least 2 feature vectors on each side, and there are ${referenceVectors} and ${otherVectors}.`,
      ],
    };
  const { warnings, ...terms } = frechetDistance(reference, other);
  if (!Object.values(terms).every(Number.isFinite))
    throw new CoordTokError(
      "not-finite",
      "The Fréchet distance is not finite: the feature statistics are damaged; compute them again.",
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

/** The number of points of a curve; longer curves are averaged over neighbouring frames. */
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

import { jsonText, tableText } from "@coordtok/core/text";
import { rateCharts, ratePicture, type RateSeries } from "../charts.js";
import { fileNames, type EvaluationFolder } from "../evaluation-folder.js";
import { measuredOf } from "../finish.js";
import type { LeftOut } from "../clip-plan.js";
import { protocolText } from "../protocol.js";
import type { FailedRecord, RateRecord, Scores } from "../record.js";
import { scoreText } from "../report-text.js";
import type { EvaluationSettings } from "../settings.js";
import { planesName, type RateCoder } from "./coders.js";
import { bdRate, risingCurve, sizeAt, type BdRate, type CurvePoint } from "./curves.js";
import { ratePage } from "./rate-page.js";

/** A setting of a coder, as means over the clips. */
export interface MeanPoint extends Scores, CurvePoint {
  /** The setting. */
  readonly setting: string;
  /** Mean size of a clip: bytes or numbers. */
  readonly size: number;
  /** All bits over all seconds, in kbit/s; absent for numbers. */
  readonly kilobitsPerSecond?: number | undefined;
  /** Mean PSNR of clips in dB; `NaN` if a clip came back exactly. */
  readonly psnrDb: number;
}

/** One coder over all clips. */
export interface CoderReport {
  /** Its name. */
  readonly name: string;
  /** What its sizes count. */
  readonly unit: "bytes" | "numbers";
  /** Its settings, in their order. */
  readonly points: readonly MeanPoint[];
}

/** The bytes that coders need for one PSNR. */
export interface EqualPsnr {
  /** The PSNR in dB. */
  readonly psnrDb: number;
  /** Mean bytes of a clip by coder; coders that do not reach it, or not down to it, are absent. */
  readonly bytes: Readonly<Record<string, number>>;
  /** The coder with the fewest. */
  readonly fewest: string | undefined;
}

/** The report of a comparison of coders. */
export interface RateReport {
  /** When it was made, in ISO 8601. */
  readonly created: string;
  /** Which clips, in words. */
  readonly protocol: string;
  /** What was measured and how. */
  readonly settings: EvaluationSettings;
  /** Number of clips. */
  readonly clips: number;
  /** Frames that were coded together. */
  readonly windowFrames: number;
  /** Videos and clips that are not in the figures. */
  readonly leftOut: readonly LeftOut[];
  /** The curves. */
  readonly coders: readonly CoderReport[];
  /** Bytes at equal PSNR, interpolated on the mean curves. */
  readonly equalPsnr: readonly EqualPsnr[];
  /** Mean difference in rate of each series of planes to each other coder of bytes. */
  readonly bdRates: readonly (BdRate & { readonly coder: string; readonly reference: string })[];
  /** Who wins where, in sentences. */
  readonly findings: readonly string[];
}

/** A report and the files it was written to. */
export interface WrittenRates {
  /** The numbers. */
  readonly report: RateReport;
  /** The files. */
  readonly files: {
    readonly report: string;
    readonly page: string;
    readonly table: string;
    readonly picture: string;
  };
}

const [lowestDb, highestDb] = [24, 34];

/** Writes the report of the clips that are measured. */
export async function finishRates(
  folder: EvaluationFolder,
  settings: EvaluationSettings,
  all: readonly (RateRecord | FailedRecord)[],
  coders: readonly RateCoder[],
  windowFrames: number,
): Promise<WrittenRates> {
  const { records, failed } = measuredOf<RateRecord>(all);
  const means = coders.map(({ name, unit }) => ({ name, unit, points: meanPoints(records, name, unit) }));
  const inBytes = means.filter(({ unit }) => unit === "bytes");
  const curves = new Map(inBytes.map(({ name, points }) => [name, risingCurve(points)]));
  const equalPsnr = equalPsnrRows(curves);
  const own = inBytes.map(({ name }) => name).filter((name) => name.startsWith(planesName));
  const others = inBytes.map(({ name }) => name).filter((name) => !own.includes(name));
  const bdRates = own.flatMap((coder) =>
    others.flatMap((reference) => {
      const found = bdRate(curves.get(coder)!, curves.get(reference)!);
      return found === undefined ? [] : [{ coder, reference, ...found }];
    }),
  );
  const report: RateReport = {
    created: new Date().toISOString(),
    protocol: protocolText(settings.protocol),
    settings,
    clips: records.length,
    windowFrames,
    leftOut: [...settings.environment.leftOut, ...failed.map(({ name, failed: reason }) => ({ name, reason }))],
    coders: means,
    equalPsnr,
    bdRates,
    findings: [
      ...own.flatMap((name) => others.map((other) => finding(name, other, equalPsnr))),
      ...numberFindings(means),
    ],
  };
  const series = seriesOf(means);
  const files = {
    report: await folder.write(fileNames.report, `${jsonText(report, 2)}\n`),
    page: await folder.write(fileNames.page, ratePage(report, rateCharts(series))),
    table: await folder.write(fileNames.table, csvText(means)),
    picture: await folder.write(fileNames.picture, ratePicture(series)),
  };
  await folder.finish();
  return { report, files };
}

function meanPoints(records: readonly RateRecord[], coder: string, unit: "bytes" | "numbers"): MeanPoint[] {
  const settings = new Set(
    records.flatMap(({ points }) => points.filter((point) => point.coder === coder).map(({ setting }) => setting)),
  );
  const seconds = records.reduce((sum, record) => sum + record.seconds, 0);
  return [...settings].map((setting) => {
    const points = records.flatMap((record) =>
      record.points.filter((point) => point.coder === coder && point.setting === setting),
    );
    const mean = (name: "size" | keyof Scores): number =>
      points.reduce((sum, point) => sum + (point[name] ?? NaN), 0) / points.length;
    const size = mean("size");
    const has = (name: keyof Scores): boolean => points.some((point) => point[name] !== undefined);
    return {
      setting,
      size,
      ...(unit === "bytes" ? { kilobitsPerSecond: (size * points.length * 8) / 1000 / seconds } : {}),
      psnrDb: mean("psnrDb"),
      ...(has("ssim") ? { ssim: mean("ssim") } : {}),
      ...(has("lpips") ? { lpips: mean("lpips") } : {}),
    };
  });
}

function equalPsnrRows(curves: ReadonlyMap<string, readonly CurvePoint[]>): EqualPsnr[] {
  return Array.from({ length: highestDb - lowestDb + 1 }, (_, i) => {
    const psnrDb = lowestDb + i;
    const found = [...curves].flatMap(([name, curve]): [string, number][] => {
      const size = sizeAt(curve, psnrDb);
      return size === undefined ? [] : [[name, size]];
    });
    const fewest = found.reduce<[string, number] | undefined>(
      (best, one) => (best === undefined || one[1] < best[1] ? one : best),
      undefined,
    );
    return { psnrDb, bytes: Object.fromEntries(found), fewest: fewest?.[0] };
  });
}

/** Where planes need fewer bytes than another coder, in a sentence. */
function finding(name: string, other: string, rows: readonly EqualPsnr[]): string {
  const both = rows.filter(({ bytes }) => bytes[name] !== undefined && bytes[other] !== undefined);
  const wins = both.filter(({ bytes }) => bytes[name]! < bytes[other]!);
  const loses = both.filter(({ bytes }) => bytes[name]! >= bytes[other]!);
  const list = (some: readonly EqualPsnr[]): string =>
    some.map(({ psnrDb, bytes }) => `${psnrDb} dB (${percentText(bytes[name]! / bytes[other]!)})`).join(", ");
  if (both.length === 0) return `${name} and ${other} have no whole dB from ${lowestDb} to ${highestDb} in common.`;
  if (loses.length === 0) return `${name} needs fewer bytes than ${other} wherever both are: ${list(wins)}.`;
  if (wins.length === 0) return `${name} needs more bytes than ${other} wherever both are: ${list(loses)}.`;
  return `${name} needs fewer bytes than ${other} at ${list(wins)}, more at ${list(loses)}.`;
}

function percentText(ratio: number): string {
  const percent = Math.round(100 * (ratio - 1));
  return `${percent > 0 ? "+" : ""}${percent} %`;
}

function numberFindings(means: readonly CoderReport[]): string[] {
  const [first, ...others] = means.filter(({ unit }) => unit === "numbers");
  return (first?.points ?? []).map((point, i) => {
    const rest = others.map(({ name, points }) => `${name} ${scoreText("psnrDb", points[i]?.psnrDb)}`).join(", ");
    return `At ${Math.round(point.size)} numbers (${point.setting}) ${first!.name} have ${scoreText("psnrDb", point.psnrDb)} dB, ${rest}.`;
  });
}

function seriesOf(means: readonly CoderReport[]): RateSeries[] {
  return means.map(({ name, unit, points }) => ({
    name,
    unit,
    points: points.map((point) => ({ ...point, x: point.kilobitsPerSecond ?? point.size })),
  }));
}

/** A table for spreadsheets. */
function csvText(means: readonly CoderReport[]): string {
  const quoted = (text: string): string => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = means.flatMap(({ name, unit, points }) =>
    points.map(({ setting, size, kilobitsPerSecond, psnrDb, ssim, lpips }) =>
      [quoted(name), quoted(setting), unit, size, kilobitsPerSecond, psnrDb, ssim, lpips]
        .map((value) => (typeof value === "number" ? String(Number(value.toPrecision(8))) : (value ?? "")))
        .join(","),
    ),
  );
  return `${["coder,setting,unit,size per clip,kbit/s,PSNR (dB),SSIM,LPIPS", ...rows].join("\n")}\n`;
}

/** Formats a report as lines for a terminal. */
export function rateReportText(report: RateReport): string {
  const { coders, equalPsnr, bdRates, findings, protocol, clips } = report;
  const named = coders.filter(({ unit }) => unit === "bytes").map(({ name }) => name);
  const rows = equalPsnr
    .filter(({ fewest }) => fewest !== undefined)
    .map(({ psnrDb, bytes }): [string, string] => [
      `${psnrDb} dB`,
      named.map((name) => `${name} ${bytes[name] === undefined ? "–" : Math.round(bytes[name])}`).join("   "),
    ]);
  const points = coders.flatMap(({ name, unit, points: of }) =>
    of.map(({ setting, size, kilobitsPerSecond, psnrDb, ssim, lpips }): [string, string] => [
      `${name}, ${setting}`,
      `${Math.round(size)} ${unit}${kilobitsPerSecond === undefined ? "" : `   ${kilobitsPerSecond.toFixed(1)} kbit/s`}   ${scoreText("psnrDb", psnrDb)} dB   SSIM ${scoreText("ssim", ssim)}${lpips === undefined ? "" : `   LPIPS ${scoreText("lpips", lpips)}`}`,
    ]),
  );
  return [
    tableText([
      ["protocol", protocol],
      ["clips", String(clips)],
    ]),
    tableText(points, "  "),
    "bytes of a clip at equal PSNR:",
    tableText(rows, "  "),
    ...bdRates.map(
      ({ coder, reference, percent, fromDb, toDb }) =>
        `BD-rate of ${coder} to ${reference}: ${percent > 0 ? "+" : ""}${percent.toFixed(1)} % (${fromDb.toFixed(1)} to ${toDb.toFixed(1)} dB)`,
    ),
    ...findings,
  ].join("\n");
}

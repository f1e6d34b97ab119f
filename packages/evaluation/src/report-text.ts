import { countText, tableText } from "@coordtok/core/text";
import type { EvaluationReport } from "./report.js";

/** The labels of measures. */
export const measureLabels = {
  psnrDb: "PSNR (dB)",
  ssim: "SSIM",
  msSsim: "MS-SSIM",
  lpips: "LPIPS",
  fvd: "FVD",
  seamRatio: "seams",
  motion: "motion",
  detail: "detail",
  "real.motion": "motion, real",
  "real.detail": "detail, real",
  "generated.motion": "motion, generated",
  "generated.detail": "detail, generated",
} as const;

/** Formats a score with the digits that are significant. */
export function scoreText(name: string, value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return "∞";
  return value.toFixed(name === "psnrDb" ? 2 : 4);
}

/** One line of the table of measures. */
export interface SummaryRow {
  readonly label: string;
  /** Mean, its standard error, deviation, minimum, 10 % quantile, median, 90 % quantile, maximum. */
  readonly values: readonly string[];
}

/** The table of measures. */
export function summaryRows({ measures }: EvaluationReport): SummaryRow[] {
  return Object.entries(measures).map(([name, summary]) => {
    const { mean, standardError, deviation, minimum, lowTenth, median, highTenth, maximum } = summary;
    return {
      label: Object.hasOwn(measureLabels, name) ? measureLabels[name as keyof typeof measureLabels] : name,
      values: [mean, standardError, deviation, minimum, lowTenth, median, highTenth, maximum].map((value) =>
        scoreText(name, value),
      ),
    };
  });
}

/** Describes the Fréchet distance in words; absent when it was not measured. */
export function fvdText({ fvd, settings }: EvaluationReport): { headline: string; parts: string } | undefined {
  if (!fvd) return undefined;
  const name = settings.task === "reconstruction" ? "rFVD" : "FVD";
  const { distance, meanTerm, traceTerm, rootTerm, referenceVectors, otherVectors, dimension } = fvd;
  return {
    headline: `${name} ${distance.toFixed(2)}`,
    parts: `means ${meanTerm.toFixed(2)} + traces ${traceTerm.toFixed(2)} - twice the root's trace ${rootTerm.toFixed(2)}; ${referenceVectors} and ${otherVectors} vectors of ${dimension}`,
  };
}

/** Describes the number of clips in each of two sets; clips behind saved statistics are not counted again. */
export function setsText({ counts, settings }: EvaluationReport): string {
  const side = (name: string, count: number, videos: number | undefined): string =>
    videos === 0 ? `${name} as saved` : `${count} ${name}`;
  return [
    side("real", counts.reference, settings.reference.videos),
    side("generated", counts.other, settings.other?.videos),
  ].join(", ");
}

/** Formats a report as lines for a terminal. */
export function reportText(report: EvaluationReport): string {
  const { sanity, counts, settings } = report;
  const fvd = fvdText(report);
  const rows = summaryRows(report).map(({ label, values }): [string, string] => [
    label,
    counts.reference === 1 && settings.task === "reconstruction"
      ? values[0]!
      : `${values[0]!} ± ${values[1]!}   median ${values[5]!}   from ${values[3]!} to ${values[7]!}`,
  ]);
  const others = (sanity ?? []).map(({ name, scores, clips }): [string, string] => [
    name,
    `${Object.entries(scores)
      .map(([score, value]) => `${measureLabels[score as keyof typeof measureLabels]} ${scoreText(score, value)}`)
      .join("   ")}   (${countText(clips, "clip")})`,
  ]);
  const clips = settings.task === "generation" ? setsText(report) : counts.reference;
  const lines = [
    tableText([
      ["protocol", report.protocol],
      ["clips", String(clips)],
      ...(fvd
        ? ([
            [settings.task === "reconstruction" ? "rFVD" : "FVD", `${fvd.headline.split(" ")[1]!}   (${fvd.parts})`],
          ] as [string, string][])
        : []),
      ...rows,
    ]),
    ...(others.length === 0 ? [] : [`in the same space (${settings.sanity!.text}):`, tableText(others, "  ")]),
  ];
  return lines.join("\n");
}

import {
  areaY,
  axisX,
  axisY,
  binX,
  dot,
  gridX,
  gridY,
  line,
  plot,
  rectY,
  ruleX,
  text,
  type Markish,
} from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { FrameCurve } from "./report.js";

const width = 430;
const height = 240;
const colour = "#1f6fb4";
const second = "#d1570c";

interface Axes {
  readonly x: { readonly label: string; readonly type?: "log"; readonly tickFormat?: string };
  readonly y: { readonly label: string };
}

/** Draws a chart as the text of an SVG element without script, style sheet or link. */
function chart({ x, y }: Axes, marks: Markish[]): string {
  const { document } = parseHTML("<html><body></body></html>");
  const drawn = plot({
    document,
    width,
    height,
    marginLeft: 62,
    marginRight: 16,
    marginTop: 30,
    marginBottom: 40,
    style: { fontSize: "12px", background: "white" },
    x: { ...x, nice: true },
    y: { ...y, nice: true },
    marks: [gridY({ ticks: 5 }), axisX({ ticks: 6 }), axisY({ ticks: 5 }), ...marks],
  });
  drawn.setAttribute("font-size", "12");
  drawn.setAttribute("font-family", "system-ui, sans-serif");
  drawn.setAttribute("role", "img");
  drawn.setAttribute("aria-label", `${y.label} against ${x.label}`);
  for (const style of [...drawn.querySelectorAll("style")]) style.remove();
  return drawn.outerHTML;
}

const bins = { x: (value: number) => value, thresholds: 24 };

/** Draws a histogram of a value over clips, with the mean as a line. Infinite values are left out. */
export function histogram(values: readonly number[], label: string): string {
  const finite = values.filter(Number.isFinite);
  const mean = finite.reduce((sum, value) => sum + value, 0) / finite.length;
  return chart({ x: { label: `${label} →` }, y: { label: "↑ clips" } }, [
    rectY(finite, { ...binX({ y: "count" }, bins), fill: colour, inset: 0.5 }),
    ...(finite.length > 0 ? [ruleX([mean], { stroke: second, strokeWidth: 2 })] : []),
  ]);
}

/** Draws the histograms of two sets over the same axis, as outlines. */
export function twoHistograms(first: readonly number[], other: readonly number[], label: string): string {
  const bars = (values: readonly number[], fill: string): Markish =>
    rectY(values, { ...binX({ y: "proportion" }, bins), fill, fillOpacity: 0.5, inset: 0.5 });
  return chart({ x: { label: `${label} →` }, y: { label: "↑ share of clips" } }, [
    bars(first, colour),
    bars(other, second),
  ]);
}

/** Larger numbers of points are thinned evenly to this many. */
const mostPoints = 2000;

/** Draws one point for each clip. */
export function scatter(points: readonly (readonly [x: number, y: number])[], x: string, y: string): string {
  const step = Math.max(1, Math.ceil(points.length / mostPoints));
  const shown = points.filter(([a, b], index) => index % step === 0 && Number.isFinite(a) && Number.isFinite(b));
  return chart({ x: { label: `${x} →` }, y: { label: `↑ ${y}` } }, [
    gridX({ ticks: 6 }),
    dot(shown, {
      x: (point: readonly number[]) => point[0]!,
      y: (point: readonly number[]) => point[1]!,
      r: shown.length > 300 ? 1.5 : 3,
      fill: colour,
      fillOpacity: 0.6,
    }),
  ]);
}

/** Draws the mean over the clips for each frame, and the middle 80 % of the clips as a band. @param frames of the longest clip. */
export function frameCurveChart(curve: FrameCurve, frames: number, label: string): string {
  const step = frames / curve.mean.length;
  const rows = curve.mean
    .map((mean, i) => ({ frame: i * step, mean, low: curve.lowTenth[i]!, high: curve.highTenth[i]! }))
    .filter(({ mean }) => Number.isFinite(mean));
  return chart({ x: { label: "frame →" }, y: { label: `↑ ${label}` } }, [
    areaY(rows, { x: "frame", y1: "low", y2: "high", fill: colour, fillOpacity: 0.2 }),
    line(rows, { x: "frame", y: "mean", stroke: colour, strokeWidth: 1.6 }),
  ]);
}

/** The curve of one coder. */
export interface RateSeries {
  readonly name: string;
  readonly unit: "bytes" | "numbers";
  /** Along the axis: kbit/s, or numbers. */
  readonly points: readonly {
    readonly x: number;
    readonly psnrDb: number;
    readonly ssim?: number | undefined;
    readonly lpips?: number | undefined;
  }[];
}

const rateMeasures = [
  ["psnrDb", "PSNR (dB)"],
  ["ssim", "SSIM"],
  ["lpips", "LPIPS"],
] as const;
const seriesColours = ["#1f6fb4", "#d1570c", "#2a8c4a", "#8a4fbf", "#b8860b", "#c2316b", "#4c5a68", "#14909c"] as const;

/** The charts below each other as one SVG file. */
export function ratePicture(series: readonly RateSeries[]): string {
  const charts = rateCharts(series).map(
    (drawn, index) => `<g transform="translate(0,${index * height})">\n${drawn}\n</g>`,
  );
  const size = `width="${width}" height="${charts.length * height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} viewBox="0 0 ${width} ${charts.length * height}">\n${charts.join("\n")}\n</svg>\n`;
}

/** Draws measures over rate, and PSNR over numbers; measures that no coder has are left out. */
export function rateCharts(series: readonly RateSeries[]): string[] {
  const panels = rateMeasures.flatMap(([name, label]) =>
    (["bytes", "numbers"] as const)
      .filter((unit) => unit === "bytes" || name === "psnrDb")
      .map((unit) => ({ name, label, unit })),
  );
  return panels
    .map((panel) => ({ ...panel, curves: curvesOf(series, panel.name, panel.unit) }))
    .filter(({ curves }) => curves.length > 0)
    .map(({ label, unit, curves }) => {
      const x = unit === "bytes" ? "kbit/s" : "numbers of a clip";
      const marks = curves.flatMap(({ name, colour: stroke, points }, index): Markish[] => [
        line(points, { x: "x", y: "y", stroke, strokeWidth: 1.5 }),
        dot(points, { x: "x", y: "y", fill: stroke, r: 2 }),
        text([name], {
          text: (shown: string) => shown,
          frameAnchor: "top-left",
          dx: 6,
          dy: 2 + 12 * index,
          fill: stroke,
          fontSize: 10,
        }),
      ]);
      return chart({ x: { label: `${x} →`, type: "log", tickFormat: "~s" }, y: { label: `↑ ${label}` } }, marks);
    });
}

function curvesOf(
  series: readonly RateSeries[],
  measure: "psnrDb" | "ssim" | "lpips",
  wanted: RateSeries["unit"],
): { readonly name: string; readonly colour: string; readonly points: { x: number; y: number }[] }[] {
  return series
    .filter(({ unit }) => unit === wanted)
    .map(({ name, points }, index) => ({
      name,
      colour: seriesColours[index % seriesColours.length]!,
      points: points
        .map((point) => ({ x: point.x, y: point[measure] ?? NaN }))
        .filter(({ x, y }) => x > 0 && Number.isFinite(y))
        .sort((a, b) => a.x - b.x),
    }))
    .filter(({ points }) => points.length > 0);
}

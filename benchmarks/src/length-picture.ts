import { axisX, axisY, gridY, line, plot, text } from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { LengthRow } from "./bench-lengths.js";

const width = 760;
const panelHeight = 320;
const margins = { marginLeft: 60, marginRight: 210, marginTop: 34, marginBottom: 44 } as const;
/** The distance between the middles of two names, in pixels. */
const nameHeight = 15;

const names: Readonly<Record<string, { readonly label: string; readonly colour: string }>> = {
  encode: { label: "encode", colour: "#1f6fb4" },
  "decode-clip": { label: "decode every patch", colour: "#2c8a3d" },
  "train-step": { label: "training step, sampled patches", colour: "#d1570c" },
  "train-step-every-patch": { label: "training step, every patch", colour: "#888888" },
};

/** A curve over the number of frames. */
export interface LengthCurve {
  readonly label: string;
  readonly colour: string;
  readonly points: readonly { readonly frames: number; readonly value: number }[];
}

/** One of the panels of a picture, above each other. */
export interface LengthPanel {
  /** What the numbers are. */
  readonly label: string;
  readonly curves: readonly LengthCurve[];
  /** How far the axis reaches, both in the panel's numbers; by the curves when absent. */
  readonly domain?: readonly [number, number] | undefined;
}

/** Draws time and memory against the length of the clip, as an SVG document of two panels. */
export function lengthPicture(rows: readonly LengthRow[]): string {
  const curves = (valueOf: (row: LengthRow) => number): LengthCurve[] =>
    Object.entries(names).map(([task, look]) => ({
      ...look,
      points: rows.filter((row) => row.task === task).map((row) => ({ frames: row.frames, value: valueOf(row) })),
    }));
  return panelsPicture("frames of the clip", [
    { label: "seconds", curves: curves((row) => row.medianSeconds) },
    { label: "peak of tensors, GB", curves: curves((row) => row.peakTensorBytes / 1e9) },
  ]);
}

/** Draws curves over the number of frames, both in logarithms, as an SVG document. */
export function panelsPicture(xLabel: string, panels: readonly LengthPanel[]): string {
  const { document } = parseHTML("<html><body></body></html>");
  const root = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const height = panels.length * panelHeight;
  const sheet = { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` };
  for (const [name, value] of Object.entries(sheet)) root.setAttribute(name, String(value));
  root.setAttribute("font-family", "system-ui, sans-serif");
  root.setAttribute("color", "#222");
  root.innerHTML = `<rect width="${width}" height="${height}" fill="white"/>`;
  panels.forEach((panel, index) => {
    const drawn = drawPanel(document, xLabel, panel);
    drawn.setAttribute("y", String(index * panelHeight));
    root.append(drawn);
  });
  return root.outerHTML;
}

function drawPanel(document: Document, xLabel: string, { label, curves, domain }: LengthPanel): Element {
  const shifts = nameShifts(domain ?? curves.flatMap(({ points }) => points.map(({ value }) => value)), curves);
  const frames = [...new Set(curves.flatMap(({ points }) => points.map((point) => point.frames)))];
  const drawn = plot({
    document,
    width,
    height: panelHeight,
    ...margins,
    style: { fontSize: "13px", background: "white" },
    x: { label: xLabel, type: "log", base: 2 },
    y: { label: `${label} (log)`, type: "log", ...(domain ? { domain } : {}) },
    marks: [
      gridY({ ticks: 5 }),
      axisX({ ticks: frames, tickFormat: String }),
      axisY({ ticks: 5, tickFormat: "~g" }),
      ...curves.flatMap(({ label: name, colour, points }, curve) => [
        line(points, { x: "frames", y: "value", stroke: colour, strokeWidth: 1.8, marker: "circle" }),
        text(points.slice(-1), {
          ...{ x: "frames", y: "value", text: () => name, textAnchor: "start", fill: colour },
          ...{ dx: 8, dy: shifts[curve]! },
        }),
      ]),
    ],
  });
  drawn.setAttribute("font-size", "13");
  return drawn;
}

/**
 * The number of pixels by which the name at the end of each curve moves up, so that names do not overlap.
 * @param range numbers whose least and largest are at the ends of the axis.
 */
function nameShifts(range: readonly number[], curves: readonly LengthCurve[]): number[] {
  const [least, most] = [Math.log(Math.min(...range)), Math.log(Math.max(...range))];
  const pixels = (panelHeight - margins.marginTop - margins.marginBottom) / Math.max(most - least, 1e-9);
  const shifts = curves.map(() => 0);
  const ends = curves.flatMap(({ points }, i) => {
    const last = points.at(-1);
    return last === undefined ? [] : [{ i, up: Math.log(last.value) * pixels }];
  });
  let free = -Infinity;
  for (const { i, up } of ends.sort((a, b) => a.up - b.up)) {
    const at = Math.max(up, free);
    shifts[i] = up - at;
    free = at + nameHeight;
  }
  return shifts;
}

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

/** Draws time and memory against the length of the clip, as an SVG document of two panels. */
export function lengthPicture(rows: readonly LengthRow[]): string {
  const { document } = parseHTML("<html><body></body></html>");
  const root = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const height = 2 * panelHeight;
  const sheet = { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` };
  for (const [name, value] of Object.entries(sheet)) root.setAttribute(name, String(value));
  root.setAttribute("font-family", "system-ui, sans-serif");
  root.setAttribute("color", "#222");
  root.innerHTML = `<rect width="${width}" height="${height}" fill="white"/>`;
  const panels: Element[] = [
    panel(document, rows, "seconds", (row) => row.medianSeconds),
    panel(document, rows, "peak of tensors, GB", (row) => row.peakTensorBytes / 1e9),
  ];
  panels.forEach((drawn, index) => {
    drawn.setAttribute("y", String(index * panelHeight));
    root.append(drawn);
  });
  return root.outerHTML;
}

function panel(
  document: Document,
  rows: readonly LengthRow[],
  label: string,
  valueOf: (row: LengthRow) => number,
): Element {
  const curves = Object.entries(names).map(([task, look]) => ({
    ...look,
    points: rows.filter((row) => row.task === task).map((row) => ({ frames: row.frames, value: valueOf(row) })),
  }));
  const shifts = nameShifts(curves.map(({ points }) => points.map(({ value }) => value)));
  const drawn = plot({
    document,
    width,
    height: panelHeight,
    ...margins,
    style: { fontSize: "13px", background: "white" },
    x: { label: "frames of the clip", type: "log", base: 2 },
    y: { label: `${label} (log)`, type: "log" },
    marks: [
      gridY({ ticks: 5 }),
      axisX({ ticks: [...new Set(rows.map(({ frames }) => frames))], tickFormat: String }),
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

/** The number of pixels by which the name at the end of each curve moves up, so that names do not overlap. */
function nameShifts(curves: readonly (readonly number[])[]): number[] {
  const values = curves.flat();
  const [least, most] = [Math.log(Math.min(...values)), Math.log(Math.max(...values))];
  const pixels = (panelHeight - margins.marginTop - margins.marginBottom) / Math.max(most - least, 1e-9);
  const shifts = curves.map(() => 0);
  const ends = curves.flatMap((curve, i) => (curve.length === 0 ? [] : [{ i, up: Math.log(curve.at(-1)!) * pixels }]));
  let free = -Infinity;
  for (const { i, up } of ends.sort((a, b) => a.up - b.up)) {
    const at = Math.max(up, free);
    shifts[i] = up - at;
    free = at + nameHeight;
  }
  return shifts;
}

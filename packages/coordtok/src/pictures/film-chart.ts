import { axisX, axisY, gridY, line, plot } from "@observablehq/plot";
import { parseHTML } from "linkedom";

/** How one window of a film is coded, for a chart. */
export interface ChartedWindow {
  /** When it begins and ends, in seconds. */
  readonly beginSeconds: number;
  readonly endSeconds: number;
  /** Its length. */
  readonly frames: number;
  /** Bytes of its planes. */
  readonly bytes: number;
  /** What a code of 1 stands for. */
  readonly step: number;
  /** Channels of xy, and of yt and xt. */
  readonly content: number;
  readonly motion: number;
  /** PSNR in dB, where it is known. */
  readonly psnrDb?: number | undefined;
}

const width = 760;
const panelHeight = 170;
const [first, second] = ["#1f6fb4", "#d1570c"];

/** Draws how the windows of a film are coded over time, as an SVG document: PSNR, rate, frames, step and channels, one above the other. */
export function filmChartSvg(windows: readonly ChartedWindow[]): string {
  const { document } = parseHTML("<html><body></body></html>");
  const has = windows.every(({ psnrDb }) => psnrDb !== undefined);
  const panels = [
    ...(has ? [panel(document, "PSNR (dB)", [stairs(windows, ({ psnrDb }) => psnrDb!)])] : []),
    panel(document, "kbit/s", [
      stairs(windows, ({ bytes, beginSeconds, endSeconds }) => (8 * bytes) / 1000 / (endSeconds - beginSeconds)),
    ]),
    panel(document, "frames of a window", [stairs(windows, ({ frames }) => frames)]),
    panel(document, "1 / step", [stairs(windows, ({ step }) => 1 / step)]),
    panel(document, "channels of xy (blue), of yt and xt", [
      stairs(windows, ({ content }) => content),
      stairs(windows, ({ motion }) => motion),
    ]),
  ];
  const height = panels.length * panelHeight;
  const root = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const sheet = { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` };
  for (const [name, value] of Object.entries(sheet)) root.setAttribute(name, String(value));
  root.setAttribute("font-family", "system-ui, sans-serif");
  root.setAttribute("color", "#222");
  root.innerHTML = `<rect width="${width}" height="${height}" fill="white"/>`;
  panels.forEach((drawn, index) => {
    drawn.setAttribute("y", String(index * panelHeight));
    root.append(drawn);
  });
  return root.outerHTML;
}

interface Point {
  readonly seconds: number;
  readonly value: number;
}

/** A window's value from its begin to its end. */
function stairs(windows: readonly ChartedWindow[], of: (window: ChartedWindow) => number): Point[] {
  return windows.flatMap((window) => [
    { seconds: window.beginSeconds, value: of(window) },
    { seconds: window.endSeconds, value: of(window) },
  ]);
}

function panel(document: Document, label: string, curves: readonly Point[][]): Element {
  return plot({
    document,
    width,
    height: panelHeight,
    marginLeft: 60,
    marginRight: 24,
    marginTop: 28,
    marginBottom: 36,
    style: { fontSize: "12px", background: "white" },
    x: { label: "seconds" },
    y: { label, nice: true, zero: true },
    marks: [
      gridY({ ticks: 4 }),
      axisX({ ticks: 8 }),
      axisY({ ticks: 4 }),
      ...curves.map((points, i) => line(points, { x: "seconds", y: "value", stroke: i === 0 ? first : second })),
    ],
  });
}

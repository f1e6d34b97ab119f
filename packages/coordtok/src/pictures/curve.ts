import type { RgbPicture } from "@coordtok/video";
import { axisX, axisY, gridY, line, plot, text as textMark } from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { textStrokes } from "./letters.js";
import { renderSvg } from "./svg.js";

/** One point of a training curve. */
export interface CurvePoint {
  /** Number of steps taken, from 1. */
  readonly step: number;
  /** The loss of the step. */
  readonly loss: number;
  /** PSNR in dB of the step's patches. */
  readonly psnrDb?: number | undefined;
  /** PSNR in dB of held-out clips, at the steps where it was measured. */
  readonly validationPsnrDb?: number | undefined;
}

const width = 760;
const panelHeight = 260;
/** The largest number of points drawn; longer curves are averaged over neighbouring steps. */
const drawnPoints = 400;

/** Draws the curve of a training, the loss above and, if there is one, the PSNR below, as an SVG document with text in the reader's font. */
export function curveSvg(points: readonly CurvePoint[]): string {
  return drawCurve(points).outerHTML;
}

/** Draws the same as a picture with built-in letters, which looks the same on machines without fonts. */
export function curvePicture(points: readonly CurvePoint[]): RgbPicture {
  const svg = drawCurve(points);
  for (const element of [...svg.querySelectorAll("text")]) element.outerHTML = strokesOf(element);
  return renderSvg(svg.outerHTML);
}

function drawCurve(points: readonly CurvePoint[]): Element {
  const { document } = parseHTML("<html><body></body></html>");
  const means = thinned(points);
  const rate = means.flatMap(({ step, psnrDb }) => (psnrDb === undefined ? [] : [{ step, value: psnrDb }]));
  const held = points.flatMap(({ step, validationPsnrDb: value }) => (value === undefined ? [] : [{ step, value }]));
  const losses = means.map(({ step, loss }) => ({ step, value: loss }));
  const panels = [panel(document, losses, [], "loss (log)", "log")];
  if (rate.length + held.length > 0) panels.push(panel(document, rate, held, "PSNR (dB)", "linear"));
  const height = panels.length * panelHeight;
  const root = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const sheet = { xmlns: "http://www.w3.org/2000/svg", width, height };
  for (const [name, value] of Object.entries(sheet)) root.setAttribute(name, String(value));
  root.setAttribute("viewBox", `0 0 ${width} ${height}`);
  root.setAttribute("font-family", "system-ui, sans-serif");
  root.setAttribute("color", "#222");
  root.innerHTML = `<rect width="${width}" height="${height}" fill="white"/>`;
  panels.forEach((drawn, index) => {
    drawn.setAttribute("y", String(index * panelHeight));
    root.append(drawn);
  });
  return root;
}

interface Value {
  readonly step: number;
  readonly value: number;
}

function panel(
  document: Document,
  train: readonly Value[],
  held: readonly Value[],
  label: string,
  type: "log" | "linear",
): Element {
  const last = held.at(-1);
  const drawn = plot({
    document,
    width,
    height: panelHeight,
    marginLeft: 70,
    marginRight: 30,
    marginTop: 34,
    marginBottom: 44,
    style: { fontSize: "13px", background: "white" },
    x: { label: "step", nice: true },
    y: { label, type, nice: true },
    marks: [
      gridY({ ticks: 6 }),
      axisX({ ticks: 8 }),
      axisY({ ticks: 6, ...(type === "log" ? { tickFormat: "~g" } : {}) }),
      line(train, { x: "step", y: "value", stroke: "#1f6fb4", strokeWidth: 1.6 }),
      line(held, { x: "step", y: "value", stroke: "#d1570c", strokeWidth: 1.6, marker: "circle" }),
      textMark(last ? [last] : [], {
        x: "step",
        y: "value",
        text: () => "held out",
        dy: 16,
        textAnchor: "end",
        fill: "#d1570c",
      }),
    ],
  });
  drawn.setAttribute("font-size", "13");
  return drawn;
}

/** Thins a curve to at most `drawnPoints` points, each the mean of its neighbours. */
function thinned(points: readonly CurvePoint[]): CurvePoint[] {
  const group = Math.ceil(points.length / drawnPoints);
  if (group <= 1) return [...points];
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  return Array.from({ length: Math.ceil(points.length / group) }, (_, i) => {
    const part = points.slice(i * group, (i + 1) * group);
    const rates = part.flatMap(({ psnrDb }) => (psnrDb === undefined ? [] : [psnrDb]));
    return {
      step: part.at(-1)!.step,
      loss: mean(part.map(({ loss }) => loss)),
      psnrDb: rates.length === 0 ? undefined : mean(rates),
    };
  });
}

/** Converts a text element to strokes at the same position. */
function strokesOf(element: Element): string {
  const size = Number.parseFloat(inherited(element, "font-size") ?? "13");
  const length = (name: string): number => {
    const given = element.getAttribute(name) ?? inherited(element.parentElement, name) ?? "0";
    return Number.parseFloat(given) * (given.endsWith("em") ? size : 1);
  };
  const anchor = inherited(element, "text-anchor") as "start" | "middle" | "end" | undefined;
  const fill = inherited(element, "fill");
  const colour = fill === undefined || fill === "currentColor" ? "#222" : fill;
  const strokes = textStrokes(element.textContent, length("x") + length("dx"), length("y") + length("dy"), {
    size,
    anchor: anchor ?? "start",
    colour,
  });
  return `<g transform="${element.getAttribute("transform") ?? ""}">${strokes}</g>`;
}

function inherited(element: Element | null, name: string): string | undefined {
  for (let at = element; at; at = at.parentElement) {
    const value = at.getAttribute(name);
    if (value !== null) return value;
  }
  return undefined;
}

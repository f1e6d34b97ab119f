import { macrotask } from "@coordtok/core";
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import type { FilmData, PlaneData, PlaneName } from "../worker/types.js";

/** How the cells of planes become colours: three principal components, or one channel. */
export type PlaneColours = "components" | number;

interface Basis {
  readonly mean: Float64Array;
  /** Three directions of unit length, and how far the cells spread along each. */
  readonly directions: readonly Float64Array[];
  readonly deviations: readonly number[];
  /** How far each channel spreads around its mean. */
  readonly channelDeviations: Float64Array;
}

/** One basis for each plane, the same over a whole film, so that equal cells have equal colours. */
export type PlaneBasis = Readonly<Record<PlaneName, Basis>>;

/** Cells that a basis is computed from, at most. */
const mostCells = 1024;

export function basisOf(film: FilmData): PlaneBasis {
  return { xy: basisOfPlane(film, "xy"), yt: basisOfPlane(film, "yt"), xt: basisOfPlane(film, "xt") };
}

/** As {@link basisOf}, plane by plane, so that the page stays awake. */
export async function basisInTurns(film: FilmData): Promise<PlaneBasis> {
  const xy = basisOfPlane(film, "xy");
  await macrotask();
  const yt = basisOfPlane(film, "yt");
  await macrotask();
  return { xy, yt, xt: basisOfPlane(film, "xt") };
}

function basisOfPlane(film: FilmData, name: PlaneName): Basis {
  return planeBasis(film.windows.flatMap(({ tiles }) => tiles.map((tile) => tile[name])));
}

function planeBasis(planes: readonly PlaneData[]): Basis {
  const channels = planes[0]!.shape[2];
  const total = planes.reduce((sum, { shape }) => sum + shape[0] * shape[1], 0);
  const every = Math.max(1, Math.ceil(total / mostCells));
  const mean = new Float64Array(channels);
  const products = new Float64Array(channels * channels);
  let cells = 0;
  for (const { values } of planes)
    for (let at = 0; at < values.length; at += channels * every, cells++)
      for (let row = 0; row < channels; row++) {
        const value = values[at + row]!;
        mean[row] = mean[row]! + value;
        for (let column = row; column < channels; column++)
          products[row * channels + column] = products[row * channels + column]! + value * values[at + column]!;
      }
  for (let channel = 0; channel < channels; channel++) mean[channel] = mean[channel]! / cells;
  const covariance = new Matrix(channels, channels);
  for (let row = 0; row < channels; row++)
    for (let column = row; column < channels; column++) {
      const value = products[row * channels + column]! / cells - mean[row]! * mean[column]!;
      covariance.set(row, column, value).set(column, row, value);
    }
  const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(covariance, { assumeSymmetric: true });
  const best = [...realEigenvalues.keys()].sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!).slice(0, 3);
  return {
    mean,
    directions: best.map((component) => pointingUp(Float64Array.from(eigenvectorMatrix.getColumn(component)))),
    deviations: best.map((component) => Math.sqrt(Math.max(realEigenvalues[component]!, 1e-12))),
    channelDeviations: Float64Array.from({ length: channels }, (_, c) =>
      Math.sqrt(Math.max(covariance.get(c, c), 1e-12)),
    ),
  };
}

/** A direction with its largest part positive: the solver gives either sign. */
function pointingUp(direction: Float64Array): Float64Array {
  let largest = 0;
  for (const part of direction) if (Math.abs(part) > Math.abs(largest)) largest = part;
  return largest < 0 ? direction.map((part) => -part) : direction;
}

/** A plane as a picture, one pixel a cell. */
export function planePicture(
  { shape, values }: PlaneData,
  { mean, directions, deviations, channelDeviations }: Basis,
  colours: PlaneColours,
): ImageData {
  const [outer, inner, channels] = shape;
  const picture = new ImageData(inner, outer);
  const { data } = picture;
  for (let cell = 0; cell < outer * inner; cell++) {
    const at = cell * channels;
    if (typeof colours === "number") {
      const channel = Math.min(colours, channels - 1);
      diverging(data, cell * 4, (values[at + channel]! - mean[channel]!) / (2.5 * channelDeviations[channel]!));
      continue;
    }
    for (const [component, direction] of directions.entries()) {
      let score = 0;
      for (let channel = 0; channel < channels; channel++)
        score += (values[at + channel]! - mean[channel]!) * direction[channel]!;
      data[cell * 4 + component] = 127.5 + (127.5 * score) / (2.8 * deviations[component]!);
    }
    data[cell * 4 + 3] = 255;
  }
  return picture;
}

/** Blue below, near-white at 0, orange above. */
function diverging(data: Uint8ClampedArray, at: number, value: number): void {
  const share = Math.min(1, Math.abs(value));
  const [red, green, blue] = value < 0 ? [38, 97, 156] : [214, 94, 34];
  data[at] = 244 + (red - 244) * share;
  data[at + 1] = 240 + (green - 240) * share;
  data[at + 2] = 232 + (blue - 232) * share;
  data[at + 3] = 255;
}

/** Colours of errors from none to large: black, violet, orange, pale yellow; 256 steps. */
const errorColours: Uint8ClampedArray = (() => {
  const stops = [
    [7, 6, 18],
    [58, 15, 110],
    [140, 41, 129],
    [222, 73, 104],
    [254, 159, 109],
    [252, 253, 191],
  ];
  const table = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (stops.length - 1);
    const before = Math.min(stops.length - 2, Math.floor(place));
    for (let c = 0; c < 3; c++)
      table[i * 3 + c] = stops[before]![c]! + (stops[before + 1]![c]! - stops[before]![c]!) * (place - before);
  }
  return table;
})();

/** Bytes as a picture. */
export function rgbPicture(data: Uint8Array, width: number, height: number): ImageData {
  const picture = new ImageData(width, height);
  const target = new Uint32Array(picture.data.buffer);
  for (let i = 0, at = 0; i < target.length; i++, at += 3)
    target[i] = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | 0xff000000;
  return picture;
}

/** The mean absolute difference of two frames at each pixel, times a gain, as a picture. */
export function errorPicture(a: Uint8Array, b: Uint8Array, width: number, height: number, gain: number): ImageData {
  const picture = new ImageData(width, height);
  const { data } = picture;
  for (let i = 0, at = 0; i < data.length; i += 4, at += 3) {
    const error = Math.abs(a[at]! - b[at]!) + Math.abs(a[at + 1]! - b[at + 1]!) + Math.abs(a[at + 2]! - b[at + 2]!);
    const step = Math.min(255, Math.round((error * gain) / 3)) * 3;
    data[i] = errorColours[step]!;
    data[i + 1] = errorColours[step + 1]!;
    data[i + 2] = errorColours[step + 2]!;
    data[i + 3] = 255;
  }
  return picture;
}

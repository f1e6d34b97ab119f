import type { RgbPicture } from "@coordtok/video";
import { planeAxes, planeNames, type PlaneName, type Triplane } from "@coordtok/triplane";
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { textStrokes } from "./letters.js";
import { imageElement, renderSvg } from "./svg.js";
import { svgElement } from "./side-by-side.js";

const margin = 44;
const planePixels = 256;
const titles: Readonly<Record<PlaneName, string>> = { xy: "plane xy", yt: "plane yt", xt: "plane xt" };
/** The labels of the axes. */
const axisTitles = { time: "time t", rows: "row x", columns: "column y" } as const;

/**
 * Draws the three planes of a triplane. The channels of all cells are reduced to three principal components, which are shown as
 * red, green and blue; axes are labelled.
 * @param index the index of the clip in the batch (default 0).
 */
export async function planesPicture(triplane: Triplane, index = 0): Promise<RgbPicture> {
  const planes = await readPlanes(triplane, index);
  const [pictures] = planePictures([planes]);
  let left = margin;
  const parts = planes.map(({ name, outer, inner }) => {
    const picture = pictures![name];
    const scale = planePixels / Math.max(outer, inner);
    const part = planeElement(name, picture, left, inner * scale, outer * scale);
    left += inner * scale + margin;
    return part;
  });
  return renderSvg(svgElement(Math.ceil(left), planePixels + 2 * margin, parts.join("")));
}

/** The values of one plane of one clip, channels last. */
export interface PlaneValues {
  readonly name: PlaneName;
  readonly outer: number;
  readonly inner: number;
  readonly channels: number;
  readonly values: Float32Array;
}

/** Reads the planes of one clip of a batch. */
export async function readPlanes(triplane: Triplane, index = 0): Promise<PlaneValues[]> {
  return Promise.all(
    planeNames.map(async (name) => {
      const [, outer, inner, channels] = triplane[name].shape;
      const values = (await triplane[name].data()) as Float32Array;
      const size = outer * inner * channels;
      return { name, outer, inner, channels, values: values.slice(index * size, (index + 1) * size) };
    }),
  );
}

/** Draws the planes of several triplanes, one pixel per cell, with the same colours for the same values. */
export function planePictures(triplanes: readonly (readonly PlaneValues[])[]): Record<PlaneName, RgbPicture>[] {
  const all = triplanes.flat();
  const toRgb = principalColours(
    all.map(({ values }) => values),
    all[0]!.channels,
  );
  return triplanes.map((planes) => {
    const entries = planes.map(({ name, outer, inner, values }) => [
      name,
      { width: inner, height: outer, data: toRgb(values) },
    ]);
    return Object.fromEntries(entries) as Record<PlaneName, RgbPicture>;
  });
}

function planeElement(name: PlaneName, picture: RgbPicture, left: number, width: number, height: number): string {
  const [outer, inner] = planeAxes[name];
  const middle = left + width / 2;
  const title = `${titles[name]} (${picture.height} \u00d7 ${picture.width})`;
  return [
    imageElement(picture, left, margin, width, height),
    `<rect x="${left}" y="${margin}" width="${width}" height="${height}" fill="none" stroke="#888"/>`,
    textStrokes(title, middle, margin - 14, { size: 14, anchor: "middle" }),
    textStrokes(`${axisTitles[inner]} \u2192`, middle, margin + height + 20, { size: 12, anchor: "middle" }),
    textStrokes(`\u2190 ${axisTitles[outer]}`, left - 12, margin + height / 2, {
      size: 12,
      anchor: "middle",
      turn: -90,
    }),
  ].join("");
}

/** Makes a function that maps cells of C channels to colours: three principal components, two standard deviations to each side. */
function principalColours(parts: readonly Float32Array[], channels: number): (values: Float32Array) => Uint8Array {
  const rows = parts.flatMap((values) =>
    Array.from({ length: values.length / channels }, (_, i) => [...values.subarray(i * channels, (i + 1) * channels)]),
  );
  const data = new Matrix(rows);
  const mean = data.mean("column");
  const centred = data.subRowVector(mean);
  const covariance = centred.transpose().mmul(centred).div(rows.length);
  const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(covariance, { assumeSymmetric: true });
  // Eigenvalues come in ascending order.
  const best = [...realEigenvalues.keys()].reverse().slice(0, 3);
  return (values) => {
    const count = values.length / channels;
    const out = new Uint8Array(count * 3).fill(128);
    best.forEach((component, channel) => {
      const deviation = Math.sqrt(Math.max(realEigenvalues[component]!, 1e-12));
      for (let i = 0; i < count; i++) {
        let score = 0;
        for (let c = 0; c < channels; c++)
          score += (values[i * channels + c]! - mean[c]!) * eigenvectorMatrix.get(c, component);
        out[i * 3 + channel] = Math.round(Math.min(255, Math.max(0, 127.5 + (127.5 * score) / (2 * deviation))));
      }
    });
    return out;
  };
}

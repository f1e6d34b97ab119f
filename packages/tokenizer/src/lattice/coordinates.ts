import { axes, planeAxes, type Axis, type PlaneName } from "@coordtok/triplane";
import { tensor2d, type Tensor2D } from "@tensorflow/tfjs-core";
import { latticeBlock } from "./config.js";

/** The number of wavelengths per axis. */
const waveCount = 32;
/** The number of sines and cosines per axis. */
const axisValues = 2 * waveCount;

/** The number of values that encode one coordinate: sines and cosines along time, then rows, then columns. */
export const coordinateValues: number = 3 * axisValues;

/**
 * The shortest and longest wavelength of each axis, in frames along time and pixels along rows and columns; the others lie between
 * them in equal ratios.
 */
const wavelengths: Readonly<Record<Axis, readonly [shortest: number, longest: number]>> = {
  time: [4, 512],
  rows: [16, 1024],
  columns: [16, 1024],
};

/** The position of block `index` along an axis: the middle of its frames or pixels, counted from the start of the clip. */
function middleOf(index: number, axis: Axis): number {
  const size = axis === "time" ? latticeBlock.time : latticeBlock.space;
  return index * size + (size - 1) / 2;
}

/**
 * Encodes a position as waves, 32 sines and then 32 cosines of `2 pi u / wavelength` (`docs/spec.md#lattice-form`). The angles are
 * computed in double precision, so that they are the same on every backend.
 */
function waves(position: number, axis: Axis): Float32Array {
  const [shortest, longest] = wavelengths[axis];
  const values = new Float32Array(axisValues);
  for (let i = 0; i < waveCount; i++) {
    const angle = (2 * Math.PI * position) / (shortest * (longest / shortest) ** (i / (waveCount - 1)));
    values[i] = Math.sin(angle);
    values[waveCount + i] = Math.cos(angle);
  }
  return values;
}

/** The block indices along each axis; an absent axis gives zeros. */
type BlockIndices = { readonly [axis in Axis]?: readonly number[] };

/**
 * The encoded coordinates of all combinations of some block indices, t-major, then row, then column.
 * @returns `[combinations, 192]`, owned by the caller.
 */
function blockCoordinates(indices: BlockIndices): Tensor2D {
  const perAxis = axes.map((axis) => {
    const numbers = indices[axis];
    return numbers === undefined
      ? [new Float32Array(axisValues)]
      : numbers.map((index) => waves(middleOf(index, axis), axis));
  });
  const rows = perAxis.reduce((product, { length }) => product * length, 1);
  const values = new Float32Array(rows * coordinateValues);
  let next = 0;
  for (const time of perAxis[0]!)
    for (const row of perAxis[1]!)
      for (const column of perAxis[2]!)
        for (const part of [time, row, column]) {
          values.set(part, next);
          next += axisValues;
        }
  return tensor2d(values, [rows, coordinateValues]);
}

/** The number of blocks of a clip along each axis. */
export type BlockCounts = Readonly<Record<Axis, number>>;

/** The integers from 0 to count-1. */
function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** The encoded coordinates of all blocks of a clip, `[time * rows * columns, 192]`. */
export function clipCoordinates(counts: BlockCounts): Tensor2D {
  return blockCoordinates({ time: upTo(counts.time), rows: upTo(counts.rows), columns: upTo(counts.columns) });
}

/** The encoded coordinates of all cells of a plane, in raster order; the axis that the plane lacks is zeros. */
export function planeCoordinates(counts: BlockCounts, plane: PlaneName): Tensor2D {
  return blockCoordinates(Object.fromEntries(planeAxes[plane].map((axis) => [axis, upTo(counts[axis])])));
}

/** The encoded coordinates of the patches of some blocks of time, in the order given, `[blocks * rows * columns, 192]`. */
export function timeBlockCoordinates(counts: BlockCounts, blocks: readonly number[]): Tensor2D {
  return blockCoordinates({ time: blocks, rows: upTo(counts.rows), columns: upTo(counts.columns) });
}

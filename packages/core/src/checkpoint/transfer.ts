import { CoordTokError } from "../errors.js";
import type { StateDictLayout } from "./state-dict.js";

/** One of our tensors and the tensor of a state dict, or the rows of it, that holds the same numbers. */
export interface TransferRow {
  /** The path of ours. */
  readonly ours: string;
  /** Its shape. */
  readonly ourShape: readonly number[];
  /** The name of theirs. */
  readonly theirs: string;
  /** Its shape, all rows included. */
  readonly theirShape: readonly number[];
  /** `undefined` where the numbers and the shape are the same. */
  readonly layout: StateDictLayout | undefined;
  /** The first row of theirs that belongs to ours, where several of ours share one of theirs (default: all are ours). */
  readonly firstRow?: number | undefined;
}

/** How many numbers a tensor of a shape has. */
function countOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * The numbers of ours out of those of theirs, without any backend, one tensor at a time.
 * @param theirs all numbers of their tensor, row by row.
 * @returns the numbers of ours: new ones, or a view of `theirs` where nothing moves.
 */
export function oursFromTheirs(row: TransferRow, theirs: Float32Array): Float32Array {
  const count = countOf(row.ourShape);
  const begin = (row.firstRow ?? 0) * (countOf(row.theirShape) / row.theirShape[0]!);
  const part = theirs.subarray(begin, begin + count);
  if (row.layout === "transpose") return swapped(part, row.ourShape[1]!, 1, row.ourShape[0]!);
  if (row.layout !== "convolution") return part;
  const [outputs, channels] = row.theirShape as [number, number];
  return swapped(part, outputs, channels, count / (outputs * channels));
}

/**
 * The numbers of theirs out of those of ours, the inverse of {@link oursFromTheirs}.
 * @param rows all rows of one of their tensors, each with the numbers of ours.
 */
export function theirsFromOurs(rows: readonly (readonly [TransferRow, Float32Array])[]): Float32Array {
  const [first] = rows;
  if (!first) throw new CoordTokError("checkpoint", "Expected at least one tensor to make one of a state dict from.");
  const { theirShape } = first[0];
  const whole = new Float32Array(countOf(theirShape));
  for (const [row, ours] of rows)
    whole.set(inTheirOrder(row, ours), (row.firstRow ?? 0) * (whole.length / (theirShape[0] ?? 1)));
  return whole;
}

function inTheirOrder(row: TransferRow, ours: Float32Array): Float32Array {
  if (row.layout === "transpose") return swapped(ours, row.ourShape[0]!, 1, row.ourShape[1]!);
  if (row.layout !== "convolution") return ours;
  const [outputs, channels] = row.theirShape as [number, number];
  return swapped(ours, ours.length / (outputs * channels), channels, outputs);
}

/** `[a, b, c]` as `[c, b, a]`, in blocks that stay in the cache. */
function swapped(values: Float32Array, a: number, b: number, c: number): Float32Array {
  const out = new Float32Array(values.length);
  const block = 32;
  for (let a0 = 0; a0 < a; a0 += block)
    for (let c0 = 0; c0 < c; c0 += block)
      for (let i = a0; i < Math.min(a, a0 + block); i++)
        for (let j = 0; j < b; j++)
          for (let k = c0, from = (i * b + j) * c; k < Math.min(c, c0 + block); k++)
            out[(k * b + j) * a + i] = values[from + k]!;
  return out;
}

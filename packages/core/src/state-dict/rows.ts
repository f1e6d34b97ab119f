import { CoordTokError } from "../errors.js";
import { renameStrictly, type StateDictLayout, type StateDictRule } from "./rules.js";

/** One of our tensors, and the tensor of a state dict, or part of one, that holds the same numbers. */
export interface StateDictRow {
  /** The path of our tensor. */
  readonly ours: string;
  /** Its shape. */
  readonly ourShape: readonly number[];
  /** The name of the tensor of the state dict. */
  readonly theirs: string;
  /** The shape of that whole tensor. */
  readonly theirShape: readonly number[];
  /** How the numbers are laid out in the state dict; `undefined` if numbers and shape are the same. */
  readonly layout: StateDictLayout | undefined;
  /** The first row of the state dict's tensor that belongs to ours; `undefined` if the whole tensor does. */
  readonly firstRow: number | undefined;
}

/** Returns the shape of a tensor of a state dict whose layout is `flat` or `convolution`. */
export type TheirShape = (
  theirs: string,
  ourShape: readonly number[],
  layout: "flat" | "convolution",
) => readonly number[];

/**
 * Locates the numbers of each of our tensors in a state dict.
 * @param rules the table of names; each of our tensors must fit one rule.
 * @param ourShapes the shapes of our tensors by path; the rows are in their order.
 * @param theirShape returns the shape in the state dict of a tensor whose layout is `flat` or `convolution`, which our shape does not
 * determine (default: throws for such a rule).
 * @throws CoordTokError `checkpoint` if the table does not fit our names.
 */
export function stateDictRows(
  rules: readonly StateDictRule[],
  ourShapes: ReadonlyMap<string, readonly number[]>,
  theirShape: TheirShape = (theirs) => {
    throw new CoordTokError(
      "checkpoint",
      `Expected a function that returns the shape of "${theirs}", got none; pass theirShape.`,
    );
  },
): StateDictRow[] {
  const parts = [...renameStrictly(rules, ourShapes.keys())].map(([ours, { theirs, layout, part }]) => {
    const ourShape = ourShapes.get(ours)!;
    const isOwn = layout === undefined || layout === "transpose";
    const shape = isOwn ? turned(ourShape, layout) : theirShape(theirs, ourShape, layout);
    return { ours, ourShape, theirs, layout, part, shape };
  });
  return parts.map(({ ours, ourShape, theirs, layout, part, shape }) => {
    if (part === undefined) return { ours, ourShape, theirs, theirShape: shape, layout, firstRow: undefined };
    const shared = parts.filter((other) => other.theirs === theirs);
    const rowsOf = (some: typeof shared): number => some.reduce((sum, other) => sum + other.shape[0]!, 0);
    const theirWhole = [rowsOf(shared), ...shape.slice(1)];
    const firstRow = rowsOf(shared.filter((other) => other.part! < part));
    return { ours, ourShape, theirs, theirShape: theirWhole, layout, firstRow };
  });
}

function turned(shape: readonly number[], layout: "transpose" | undefined): readonly number[] {
  return layout === undefined ? shape : [shape[1]!, shape[0]!];
}

/** Returns the names and shapes of the state dict that rows describe. */
export function stateDictShapes(rows: readonly StateDictRow[]): Map<string, readonly number[]> {
  return new Map(rows.map(({ theirs, theirShape }) => [theirs, theirShape]));
}

/** The number of elements of a shape. */
function countOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Converts the numbers of a tensor of a state dict to those of our tensor.
 * @param theirs all numbers of the state dict's tensor, row by row.
 * @returns the numbers of our tensor: a new array, or a view of `theirs` if the layout is the same.
 */
export function oursFromTheirs(row: StateDictRow, theirs: Float32Array): Float32Array {
  const count = countOf(row.ourShape);
  const begin = (row.firstRow ?? 0) * (countOf(row.theirShape) / row.theirShape[0]!);
  const part = theirs.subarray(begin, begin + count);
  if (row.layout === "transpose") return swapped(part, row.ourShape[1]!, 1, row.ourShape[0]!);
  if (row.layout !== "convolution") return part;
  const [outputs, channels] = row.theirShape as [number, number];
  return swapped(part, outputs, channels, count / (outputs * channels));
}

/**
 * Converts the numbers of our tensors to those of a tensor of a state dict, the inverse of {@link oursFromTheirs}.
 * @param parts all rows of that tensor, each with the numbers of our tensor.
 */
export function theirsFromOurs(parts: readonly (readonly [StateDictRow, Float32Array])[]): Float32Array {
  const { theirShape } = parts[0]![0];
  const whole = new Float32Array(countOf(theirShape));
  for (const [row, ours] of parts)
    whole.set(inTheirOrder(row, ours), (row.firstRow ?? 0) * (whole.length / (theirShape[0] ?? 1)));
  return whole;
}

function inTheirOrder(row: StateDictRow, ours: Float32Array): Float32Array {
  if (row.layout === "transpose") return swapped(ours, row.ourShape[0]!, 1, row.ourShape[1]!);
  if (row.layout !== "convolution") return ours;
  const [outputs, channels] = row.theirShape as [number, number];
  return swapped(ours, ours.length / (outputs * channels), channels, outputs);
}

/** Transposes `[a, b, c]` to `[c, b, a]`, in blocks that fit the cache. */
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

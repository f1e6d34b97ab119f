import {
  checkDivides,
  checkInteger,
  checkOptions,
  CoordTokError,
  type OptionNames,
  type Rectangle,
} from "@coordtok/core";
import type { PatchSize } from "@coordtok/core/nn";
import type { PointSet } from "./points.js";

/** Options of {@link patchLattice}: the clip, and the size of its patches. */
export interface LatticeOptions {
  /** T, the number of frames of the clip. */
  readonly frames: number;
  /** H, the height of a frame in pixels. */
  readonly height: number;
  /** W, the width of a frame in pixels. */
  readonly width: number;
  /** The size of a patch; it must divide the clip. */
  readonly patch: PatchSize;
}

const latticeOptionNames: OptionNames<LatticeOptions> = { frames: true, height: true, width: true, patch: true };

/** Some patches of a lattice, in lattice order unless stated otherwise. */
export interface PatchSlice {
  /** N, the number of patches. */
  readonly count: number;
  /** `[N, 3]`: the index of each patch along time, rows and columns. */
  readonly indices: Int32Array;
}

/** A box of patches: a list of times, and ranges of rows and columns of patches that include `begin` and exclude `end`. */
export interface PatchRegion {
  /** The indices along time, ascending, each once. */
  readonly times: readonly number[];
  /** The range of patches along the rows of a frame. */
  readonly rows: readonly [begin: number, end: number];
  /** The range of patches along the columns of a frame. */
  readonly columns: readonly [begin: number, end: number];
}

/** The lattice of the patches of a clip. Lattice order is time, then rows, then columns (`docs/spec.md#patch-lattice`). */
export interface PatchLattice {
  /** The number of patches along time. */
  readonly time: number;
  /** The number of patches along the rows of a frame. */
  readonly rows: number;
  /** The number of patches along the columns of a frame. */
  readonly columns: number;
  /** The size of a patch. */
  readonly patch: PatchSize;
  /** The number of all patches. */
  readonly count: number;
  /** The region of all patches. */
  readonly everything: PatchRegion;
  /**
   * Yields the patches of a region (default: the whole lattice) in lattice order, in slices of `size` patches. The last slice may be
   * shorter; none is empty.
   * @throws CoordTokError `config` unless `size` is a whole number of at least 1.
   */
  slices(size: number, region?: PatchRegion): IterableIterator<PatchSlice>;
  /**
   * Returns the region of all patches that contain any of the given frames.
   * @param frames frame numbers, 0 to T-1, in any order; duplicates count once.
   * @param rectangle the pixels that the patches must cover (default: the whole frame).
   * @throws CoordTokError `input` for frames or pixels outside the clip, or for no frames.
   */
  region(frames: Iterable<number>, rectangle?: Rectangle): PatchRegion;
  /** Returns the number of patches in a region. */
  regionSize(region: PatchRegion): number;
  /**
   * Returns the indices `[t, x, y]` of the patch at a position in lattice order.
   * @throws CoordTokError `input` for a position outside 0 to count-1.
   */
  patchAt(index: number): readonly [t: number, x: number, y: number];
  /**
   * Returns the patches at the given positions in lattice order, in the given sequence.
   * @throws CoordTokError `input` for a position outside 0 to count-1.
   */
  sliceAt(indices: ArrayLike<number>): PatchSlice;
  /**
   * Returns the points of one slice that all clips share, or of one slice per clip.
   * @throws CoordTokError `input` for no slices, or slices of different sizes.
   */
  points(...slices: readonly PatchSlice[]): PointSet;
}

/**
 * Makes the lattice of the patches of a clip.
 * @throws CoordTokError `config` if a size is not a whole number of at least 1, or the patch does not divide the clip.
 */
export function patchLattice(options: LatticeOptions): PatchLattice {
  checkOptions(options, latticeOptionNames, "patchLattice");
  const { frames, height, width } = checkedOptions(options);
  const patch: PatchSize = { time: options.patch.time, space: options.patch.space };
  const time = frames / patch.time;
  const rows = height / patch.space;
  const columns = width / patch.space;
  const count = time * rows * columns;
  const everything: PatchRegion = {
    times: Array.from({ length: time }, (_, t) => t),
    rows: [0, rows],
    columns: [0, columns],
  };
  const patchAt = (index: number): readonly [number, number, number] => {
    if (!(Number.isInteger(index) && index >= 0 && index < count))
      throw new CoordTokError("input", `Expected a patch number from 0 to ${count - 1}, got ${index}.`);
    const inFrame = index % (rows * columns);
    return [Math.floor(index / (rows * columns)), Math.floor(inFrame / columns), inFrame % columns];
  };
  const sliceAt = (places: ArrayLike<number>): PatchSlice => {
    const indices = new Int32Array(places.length * 3);
    for (let k = 0; k < places.length; k++) indices.set(patchAt(places[k]!), k * 3);
    return { count: places.length, indices };
  };
  return {
    time,
    rows,
    columns,
    patch,
    count,
    everything,
    slices: (size, region = everything) => regionSlices(region, checkInteger(size, "the size of a slice", 1)),
    region: (which, rectangle = { top: 0, left: 0, height, width }) => ({
      times: timesOfFrames(which, frames, patch.time),
      rows: patchRange(rectangle.top, rectangle.height, height, patch.space, "rows"),
      columns: patchRange(rectangle.left, rectangle.width, width, patch.space, "columns"),
    }),
    regionSize,
    patchAt,
    sliceAt,
    points: (...slices) => pointsOfSlices(slices, { time, rows, columns }),
  };
}

function checkedOptions(options: LatticeOptions): LatticeOptions {
  const { frames, height, width, patch } = options;
  for (const [value, name] of [
    [frames, "frames"],
    [height, "height"],
    [width, "width"],
    [patch.time, "patch.time"],
    [patch.space, "patch.space"],
  ] as const)
    checkInteger(value, name, 1);
  checkDivides(patch.time, "patch.time", frames, "frames");
  checkDivides(patch.space, "patch.space", height, "height");
  checkDivides(patch.space, "patch.space", width, "width");
  return options;
}

function regionSize({ times, rows, columns }: PatchRegion): number {
  return times.length * (rows[1] - rows[0]) * (columns[1] - columns[0]);
}

function* regionSlices(region: PatchRegion, size: number): IterableIterator<PatchSlice> {
  const { times, rows, columns } = region;
  let left = regionSize(region);
  let indices = new Int32Array(Math.min(size, left) * 3);
  let filled = 0;
  for (const t of times)
    for (let x = rows[0]; x < rows[1]; x++)
      for (let y = columns[0]; y < columns[1]; y++) {
        indices[filled] = t;
        indices[filled + 1] = x;
        indices[filled + 2] = y;
        filled += 3;
        if (filled < indices.length) continue;
        left -= filled / 3;
        yield { count: filled / 3, indices };
        indices = new Int32Array(Math.min(size, left) * 3);
        filled = 0;
      }
}

function timesOfFrames(which: Iterable<number>, frames: number, patchTime: number): number[] {
  const times = new Set<number>();
  for (const frame of which) {
    if (!(Number.isInteger(frame) && frame >= 0 && frame < frames))
      throw new CoordTokError("input", `Expected frame numbers from 0 to ${frames - 1}, got ${frame}.`);
    times.add(Math.floor(frame / patchTime));
  }
  if (times.size === 0) throw new CoordTokError("input", "Expected at least one frame, got none.");
  return [...times].sort((a, b) => a - b);
}

function patchRange(first: number, length: number, total: number, patch: number, what: string): [number, number] {
  const whole = Number.isInteger(first) && Number.isInteger(length);
  if (!(whole && first >= 0 && length >= 1 && first + length <= total))
    throw new CoordTokError(
      "input",
      `Expected a rectangle within the ${total} ${what} of the frame, got ${length} from ${first} on.`,
    );
  return [Math.floor(first / patch), Math.ceil((first + length) / patch)];
}

function pointsOfSlices(slices: readonly PatchSlice[], size: LatticeSize): PointSet {
  const [first] = slices;
  if (!first) throw new CoordTokError("input", "Expected at least one slice of patches, got none.");
  const indices = new Int32Array(slices.length * first.count * 3);
  slices.forEach((slice, clip) => {
    if (slice.count !== first.count)
      throw new CoordTokError(
        "input",
        `Expected the same number of patches for each clip, got ${first.count} and ${slice.count}.`,
      );
    indices.set(slice.indices, clip * first.count * 3);
  });
  return { batch: slices.length, count: first.count, coordinates: latticeCoordinates(size, indices), indices };
}

/** The number of patches of a lattice along each axis. */
export type LatticeSize = Pick<PatchLattice, "time" | "rows" | "columns">;

/**
 * Returns the coordinate of a position on an axis of n patches, `fp32(position / (n-1))` (`docs/spec.md#coordinates`). On an axis with a
 * single patch, where the official code divides by zero, it is 0.
 * @param position 0 to n-1; a fractional position is between two patches.
 * @param count n, the number of patches along the axis.
 */
export function latticeCoordinate(position: number, count: number): number {
  // For integers below 2^24 the double quotient rounds to the fp32 quotient, bit for bit.
  return count === 1 ? 0 : Math.fround(position / (count - 1));
}

/**
 * Applies {@link latticeCoordinate} to many patches.
 * @param indices `[N, 3]` indices along time, rows and columns.
 * @returns `[N, 3]` coordinates from 0 to 1.
 */
export function latticeCoordinates(lattice: LatticeSize, indices: ArrayLike<number>): Float32Array {
  const counts = [lattice.time, lattice.rows, lattice.columns];
  return Float32Array.from(indices, (index, k) => latticeCoordinate(index, counts[k % 3]!));
}

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

/** What a lattice of patches is cut from. */
export interface LatticeOptions {
  /** T, frames of the clip. */
  readonly frames: number;
  /** H, rows of a frame in pixels. */
  readonly height: number;
  /** W, columns of a frame in pixels. */
  readonly width: number;
  /** The size of a patch; it must divide the clip. */
  readonly patch: PatchSize;
}

const latticeOptionNames: OptionNames<LatticeOptions> = { frames: true, height: true, width: true, patch: true };

/** Some patches of a lattice, in lattice order where nothing else is said. */
export interface PatchSlice {
  /** N. */
  readonly count: number;
  /** `[N, 3]` whole numbers: the place of each patch along time, rows and columns. */
  readonly indices: Int32Array;
}

/** A box of patches: a list of times, and ranges of rows and columns of patches, `begin` included, `end` not. */
export interface PatchRegion {
  /** Places along time in ascending order, each once. */
  readonly times: readonly number[];
  /** The range of patches along the rows of a frame. */
  readonly rows: readonly [begin: number, end: number];
  /** The range of patches along the columns of a frame. */
  readonly columns: readonly [begin: number, end: number];
}

/** The lattice of the patches of a clip. Lattice order is t first, then rows, then columns (`docs/spec.md#patch-lattice`). */
export interface PatchLattice {
  /** Patches along time. */
  readonly time: number;
  /** Patches along the rows of a frame. */
  readonly rows: number;
  /** Patches along the columns of a frame. */
  readonly columns: number;
  /** The size of a patch. */
  readonly patch: PatchSize;
  /** All patches. */
  readonly count: number;
  /** The region of all patches. */
  readonly everything: PatchRegion;
  /**
   * The patches of a region (default: of the whole lattice) in lattice order, at most `size` at a time; the last slice may be
   * shorter, none is empty and no patch is left out.
   * @throws CoordTokError `config` unless `size` is a whole number of at least 1.
   */
  slices(size: number, region?: PatchRegion): IterableIterator<PatchSlice>;
  /**
   * The region of all patches that hold any of the given frames.
   * @param frames frame numbers of 0 to T-1 in any order; repeated ones count once.
   * @param rectangle only the patches that cover these pixels (default: all of the frame).
   * @throws CoordTokError `input` for frames or pixels outside the clip, or none at all.
   */
  region(frames: Iterable<number>, rectangle?: Rectangle): PatchRegion;
  /** How many patches a region holds. */
  regionSize(region: PatchRegion): number;
  /**
   * The indices `[t, x, y]` of the patch at a position in lattice order.
   * @throws CoordTokError `input` outside 0 to count-1.
   */
  patchAt(index: number): readonly [t: number, x: number, y: number];
  /** The patches at the given positions in lattice order, in the given order. */
  sliceAt(indices: ArrayLike<number>): PatchSlice;
  /** The points of one slice that all clips share, or of one slice of equal size per clip. */
  points(...slices: readonly PatchSlice[]): PointSet;
}

/**
 * The lattice of the patches of a clip.
 * @throws CoordTokError `config` when a size is not a whole number of at least 1 or the patch does not divide the clip, naming both numbers.
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
      throw new CoordTokError("input", `Expected a patch number of 0 to ${count - 1}, got ${index}.`);
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
      throw new CoordTokError("input", `Expected frame numbers of 0 to ${frames - 1}, got ${frame}.`);
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
        `Expected as many patches for each clip, got ${first.count} and ${slice.count}.`,
      );
    indices.set(slice.indices, clip * first.count * 3);
  });
  return { batch: slices.length, count: first.count, coordinates: latticeCoordinates(size, indices), indices };
}

/** How many patches a lattice has along each axis. */
export type LatticeSize = Pick<PatchLattice, "time" | "rows" | "columns">;

/**
 * The coordinate of a patch on an axis of n patches, `fp32(position / (n-1))` (`docs/spec.md#coordinates`). On an axis with a single patch, for
 * which the official code divides by zero, it is 0.
 * @param position 0 to n-1; a fraction lies between two patches.
 * @param count n, patches along the axis.
 */
export function latticeCoordinate(position: number, count: number): number {
  // For whole numbers below 2^24 the double quotient rounds to the fp32 quotient, bit for bit.
  return count === 1 ? 0 : Math.fround(position / (count - 1));
}

/**
 * {@link latticeCoordinate} of many patches.
 * @param indices `[N, 3]` places along time, rows and columns.
 * @returns `[N, 3]` coordinates of 0 to 1.
 */
export function latticeCoordinates(lattice: LatticeSize, indices: ArrayLike<number>): Float32Array {
  const counts = [lattice.time, lattice.rows, lattice.columns];
  return Float32Array.from(indices, (index, k) => latticeCoordinate(index, counts[k % 3]!));
}

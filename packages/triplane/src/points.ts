import { CoordTokError } from "@coordtok/core";

/** The points of a look-up: N for each of B clips, or N that all clips share. */
export interface PointSet {
  /** 1 if all clips share the points, else the number of clips B. */
  readonly batch: number;
  /** N, the number of points per clip. */
  readonly count: number;
  /** `[batch, N, 3]` numbers from 0 to 1 in the order t, x, y; 0 is the first patch of an axis, 1 the last. */
  readonly coordinates: Float32Array;
  /**
   * `[batch, N, 3]` indices of the points on the patch lattice along time, rows and columns; absent if not all points are
   * on the lattice. Coordinates alone do not determine them exactly (`docs/spec.md#index-quirk`).
   */
  readonly indices?: Int32Array | undefined;
}

/**
 * Throws unless a set of points is complete and every coordinate is from 0 to 1.
 * @throws CoordTokError `input`.
 */
export function checkPoints(points: PointSet): void {
  const { batch, count, coordinates, indices } = points;
  const whole = Number.isInteger(batch) && batch >= 1 && Number.isInteger(count) && count >= 1;
  if (!whole || coordinates.length !== batch * count * 3)
    throw new CoordTokError(
      "input",
      `Expected 3 coordinates for each of ${count} points of ${batch} clips, at least one, got ${coordinates.length} numbers.`,
    );
  if (indices !== undefined && indices.length !== coordinates.length)
    throw new CoordTokError(
      "input",
      `Expected 3 indices for each of ${count} points of ${batch} clips, got ${indices.length} numbers.`,
    );
  for (let i = 0; i < coordinates.length; i++) {
    const coordinate = coordinates[i]!;
    if (!(coordinate >= 0 && coordinate <= 1))
      throw new CoordTokError(
        "input",
        `Expected coordinates from 0 to 1, got ${coordinate} as ${"txy"[i % 3]} of point ${Math.floor(i / 3) % count}.`,
      );
  }
}

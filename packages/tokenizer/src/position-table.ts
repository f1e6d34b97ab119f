import type { LatticeSize, PointSet } from "@coordtok/triplane";
import { officialIndex } from "@coordtok/triplane/official";

/** Rows of the position table, one per point, and their weights; without weights each counts fully. */
export interface TableCorner {
  readonly rows: Int32Array;
  readonly weights?: Float32Array;
}

/** The rows of the position table that points read: one corner each, or several weighted corners between lattice positions. */
export interface TablePositions {
  readonly corners: readonly TableCorner[];
}

/**
 * Finds the rows of the position table for some points. Points without indices are interpolated linearly along each axis.
 * @param official whether to truncate fp32 positions as the published code does (`docs/spec.md#index-quirk`).
 */
export function positionsOfPoints(points: PointSet, lattice: LatticeSize, official: boolean): TablePositions {
  const { coordinates, indices } = points;
  const sizes = [lattice.time, lattice.rows, lattice.columns];
  const total = coordinates.length / 3;
  if (official || indices !== undefined) {
    const rows = new Int32Array(total);
    for (let i = 0; i < total; i++)
      rows[i] = sizes.reduce((row, size, axis) => {
        const at = 3 * i + axis;
        return row * size + (official ? officialIndex(coordinates[at]!, size) : indices![at]!);
      }, 0);
    return { corners: [{ rows }] };
  }
  return { corners: interpolatedCorners(coordinates, sizes) };
}

/** The largest distance from a lattice position that rounding to single precision causes. */
const onLattice = 1e-4;

function interpolatedCorners(coordinates: Float32Array, sizes: readonly number[]): TableCorner[] {
  const total = coordinates.length / 3;
  const corners = Array.from({ length: 8 }, () => ({ rows: new Int32Array(total), weights: new Float32Array(total) }));
  for (let i = 0; i < total; i++) {
    const axes = sizes.map((size, axis) => {
      const position = Math.min(size - 1, Math.max(0, coordinates[3 * i + axis]! * (size - 1)));
      const nearest = Math.round(position);
      if (Math.abs(position - nearest) < onLattice) return { low: nearest, high: nearest, fraction: 0 };
      const low = Math.floor(position);
      return { low, high: low + 1, fraction: position - low };
    });
    corners.forEach((corner, bits) => {
      let row = 0;
      let weight = 1;
      axes.forEach(({ low, high, fraction }, axis) => {
        const upper = ((bits >> axis) & 1) === 1;
        row = row * sizes[axis]! + (upper ? high : low);
        weight *= upper ? fraction : 1 - fraction;
      });
      corner.rows[i] = row;
      corner.weights[i] = weight;
    });
  }
  return corners.filter(({ weights }) => weights.some((weight) => weight > 0));
}

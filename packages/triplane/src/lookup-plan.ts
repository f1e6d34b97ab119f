import { axes, planeAxes, planeNames, type Axis, type PlaneName } from "./axes.js";
import type { PointSet } from "./points.js";
import { planeSize } from "./triplane.js";

/** The four cells of a plane around each point, with their weights, corner by corner. */
export interface PlanePlan {
  readonly plane: PlaneName;
  /** The number of cells of the plane, outer times inner. */
  readonly cells: number;
  /** For each of the 4 corners, the cell (outer * inner resolution + inner) of each of the batch * N points. */
  readonly corners: readonly Int32Array[];
  /** For each of the 4 corners, its bilinear weight for each point; the four add up to 1. */
  readonly weights: readonly Float32Array[];
}

/** Everything a look-up needs besides the planes; it depends only on the points and the resolutions. */
export interface LookupPlan {
  /** 1 if all clips share the points, else the number of clips. */
  readonly batch: number;
  /** N, points per clip. */
  readonly count: number;
  /** The planes in the order xy, yt, xt. */
  readonly planes: readonly PlanePlan[];
}

interface AxisPosition {
  readonly lower: Int32Array;
  readonly upper: Int32Array;
  /** The position of each point between the lower and the upper cell, 0 to less than 1. */
  readonly fraction: Float32Array;
}

/**
 * Locates points in planes of the given resolutions: the position is `fp32(coordinate * (R-1))`, corners aligned; the upper neighbour is
 * clamped to R-1, and at coordinate 1 the fraction is 0 (`docs/spec.md#look-up`).
 * @param points checked points.
 */
export function planLookup(resolutions: Readonly<Record<Axis, number>>, points: PointSet): LookupPlan {
  const positions = Object.fromEntries(
    axes.map((axis, index) => [axis, axisPosition(points.coordinates, index, resolutions[axis])]),
  ) as Record<Axis, AxisPosition>;
  const planes = planeNames.map((plane) => planePlan(plane, resolutions, positions));
  return { batch: points.batch, count: points.count, planes };
}

function axisPosition(coordinates: Float32Array, axis: number, resolution: number): AxisPosition {
  const count = coordinates.length / 3;
  const lower = new Int32Array(count);
  const upper = new Int32Array(count);
  const fraction = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const position = Math.fround(coordinates[i * 3 + axis]! * (resolution - 1));
    const floor = Math.floor(position);
    lower[i] = floor;
    upper[i] = Math.min(floor + 1, resolution - 1);
    fraction[i] = position - floor;
  }
  return { lower, upper, fraction };
}

function planePlan(
  plane: PlaneName,
  resolutions: Readonly<Record<Axis, number>>,
  positions: Readonly<Record<Axis, AxisPosition>>,
): PlanePlan {
  const [outerSize, innerSize] = planeSize(resolutions, plane);
  const [outer, inner] = planeAxes[plane].map((axis) => positions[axis]) as [AxisPosition, AxisPosition];
  const corners: Int32Array[] = [];
  const weights: Float32Array[] = [];
  for (const outerSide of ["lower", "upper"] as const)
    for (const innerSide of ["lower", "upper"] as const) {
      corners.push(outer[outerSide].map((cell, i) => cell * innerSize + inner[innerSide][i]!));
      const share = (side: "lower" | "upper", fraction: number): number => (side === "upper" ? fraction : 1 - fraction);
      weights.push(outer.fraction.map((f, i) => share(outerSide, f) * share(innerSide, inner.fraction[i]!)));
    }
  return { plane, cells: outerSize * innerSize, corners, weights };
}

/**
 * Returns the interpolation of one clip's points as a matrix `[cells, N]`, row by row: column n holds the weights of point n, so the
 * matrix times the gradient of the looked-up features is the gradient of the plane.
 * @param clip the index of the set of points, 0 to batch-1.
 */
export function scatterMatrix(plan: LookupPlan, planePlan: PlanePlan, clip: number): Float32Array {
  const { count } = plan;
  const matrix = new Float32Array(planePlan.cells * count);
  planePlan.corners.forEach((corner, k) => {
    const weight = planePlan.weights[k]!;
    for (let n = 0; n < count; n++) {
      // At the border, two corners of a point may be the same cell: their weights add up.
      const place = corner[clip * count + n]! * count + n;
      matrix[place] = matrix[place]! + weight[clip * count + n]!;
    }
  });
  return matrix;
}

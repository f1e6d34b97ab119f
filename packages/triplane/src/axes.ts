/*
 * In a coordinate (t, x, y) and in the names of the planes, t is time, x the row and y the column, as in the official weights. This
 * is the one place that says so: everything else takes the axes of a plane from `planeAxes`, and sizes have the axes' names.
 */

/** An axis of a clip: time, the rows of a frame from top to bottom, its columns from left to right. */
export type Axis = "time" | "rows" | "columns";

/** The axes in the order of the three numbers of a coordinate (t, x, y). */
export const axes: readonly Axis[] = ["time", "rows", "columns"];

/** One of the three planes. */
export type PlaneName = "xy" | "yt" | "xt";

/** The planes in the order in which they always come: in looked-up features, in token sequences, in noise draws. */
export const planeNames: readonly PlaneName[] = ["xy", "yt", "xt"];

/**
 * Which axes the two dimensions of a plane are, outer one first: xy is rows and columns, yt time and columns, xt time and
 * rows (`docs/spec.md#axes-and-layouts`).
 */
export const planeAxes: Readonly<Record<PlaneName, readonly [outer: Axis, inner: Axis]>> = {
  xy: ["rows", "columns"],
  yt: ["time", "columns"],
  xt: ["time", "rows"],
};

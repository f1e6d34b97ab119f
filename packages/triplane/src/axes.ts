/*
 * In a coordinate (t, x, y) and in the names of the planes, t is time, x the row and y the column, as in the official weights. Only this
 * file defines it: all other code takes the axes of a plane from `planeAxes`, and sizes are named after the axes.
 */

/** An axis of a clip: time, the rows of a frame from top to bottom, its columns from left to right. */
export type Axis = "time" | "rows" | "columns";

/** The axes in the order of the three numbers of a coordinate (t, x, y). */
export const axes: readonly Axis[] = ["time", "rows", "columns"];

/** The name of a plane. */
export type PlaneName = "xy" | "yt" | "xt";

/** The planes in their order everywhere: in looked-up features, in token sequences, in draws of noise. */
export const planeNames: readonly PlaneName[] = ["xy", "yt", "xt"];

/**
 * The axes of the two dimensions of each plane, the outer one first: xy has rows and columns, yt time and columns, xt time and
 * rows (`docs/spec.md#axes-and-layouts`).
 */
export const planeAxes: Readonly<Record<PlaneName, readonly [outer: Axis, inner: Axis]>> = {
  xy: ["rows", "columns"],
  yt: ["time", "columns"],
  xt: ["time", "rows"],
};

/*
 * x is the row axis and y is the column axis of a frame, as in the official weights; t is time. This is the one place that says so:
 * everything else takes the axes of a plane from `planeAxes`.
 */

/** An axis of a clip: t is time, x the rows from top to bottom, y the columns from left to right. */
export type Axis = "t" | "x" | "y";

/** The axes of a coordinate in the order in which its three numbers stand. */
export const axes: readonly Axis[] = ["t", "x", "y"];

/** One of the three planes. */
export type PlaneName = "xy" | "yt" | "xt";

/** The planes in the order in which they always come: in looked-up features, in token sequences, in noise draws. */
export const planeNames: readonly PlaneName[] = ["xy", "yt", "xt"];

/**
 * Which axes the two dimensions of a plane are, outer one first: xy is `[x, y]`, yt is `[t, y]`, xt is `[t, x]`
 * (`docs/spec.md#axes-and-layouts`).
 */
export const planeAxes: Readonly<Record<PlaneName, readonly [outer: Axis, inner: Axis]>> = {
  xy: ["x", "y"],
  yt: ["t", "y"],
  xt: ["t", "x"],
};

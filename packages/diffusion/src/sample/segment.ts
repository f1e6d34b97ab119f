import type { TensorTree } from "@coordtok/core";
import { weightedSum } from "../flow/tree-math.js";

/** A completed step, with what is needed to interpolate the states within it. */
export interface Segment<T extends TensorTree> {
  /** The time at the start. */
  readonly begin: number;
  /** The time at the end. */
  readonly end: number;
  /** The state at the start. */
  readonly start: T;
  /** The state at the end. */
  readonly stop: T;
  /** The slope at the start. */
  readonly startSlope: T;
  /** Computes the slope at the end. */
  readonly endSlope: () => T;
  /** The state in the middle, if the solver knows it. */
  readonly midpoint: T | undefined;
}

/**
 * Computes the state at a time within a step: the end itself, or a polynomial through everything known. Returns a new tree, owned
 * by the caller.
 */
export function stateAt<T extends TensorTree>(segment: Segment<T>, time: number): T {
  const { begin, end, start, stop, startSlope, endSlope, midpoint } = segment;
  const size = end - begin;
  const u = (time - begin) / size;
  if (Math.abs(u - 1) < 1e-6) return weightedSum([[1, stop]]);
  // The cubic Hermite basis on [0, 1].
  const ofStop = u * u * (3 - 2 * u);
  const ofStartSlope = u * (1 - u) ** 2;
  const ofEndSlope = -u * u * (1 - u);
  // This quartic vanishes with its slope at both ends and is 1 in the middle; it is scaled by the distance of the known middle
  // state from the cubic's.
  const bump = midpoint === undefined ? 0 : 16 * u * u * (1 - u) ** 2;
  return weightedSum([
    [1 - ofStop - bump / 2, start],
    [ofStop - bump / 2, stop],
    [size * (ofStartSlope - bump / 8), startSlope],
    [size * (ofEndSlope + bump / 8), endSlope()],
    [bump, midpoint ?? start],
  ]);
}

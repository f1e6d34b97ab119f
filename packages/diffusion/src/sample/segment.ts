import type { TensorTree } from "@coordtok/core";
import { weightedSum } from "../flow/tree-math.js";

/** A step that has been taken, with what is needed to find the states within it. */
export interface Segment<T extends TensorTree> {
  /** The time at which it begins. */
  readonly begin: number;
  /** The time at which it ends. */
  readonly end: number;
  /** The state at the beginning. */
  readonly start: T;
  /** The state at the end. */
  readonly stop: T;
  /** The slope at the beginning. */
  readonly startSlope: T;
  /** The slope at the end. */
  readonly endSlope: () => T;
  /** The state in the middle, where the solver knows it. */
  readonly midpoint: T | undefined;
}

/** The state at a time within a step: the end itself, or a polynomial through all that is known. A new tree, the caller's. */
export function stateAt<T extends TensorTree>(segment: Segment<T>, time: number): T {
  const { begin, end, start, stop, startSlope, endSlope, midpoint } = segment;
  const size = end - begin;
  const u = (time - begin) / size;
  if (Math.abs(u - 1) < 1e-6) return weightedSum([[1, stop]]);
  // Cubic Hermite basis on [0, 1].
  const ofStop = u * u * (3 - 2 * u);
  const ofStartSlope = u * (1 - u) ** 2;
  const ofEndSlope = -u * u * (1 - u);
  // The quartic that vanishes with its slope at both ends and is 1 in the middle; the cubic's own middle value is taken off it.
  const bump = midpoint === undefined ? 0 : 16 * u * u * (1 - u) ** 2;
  return weightedSum([
    [1 - ofStop - bump / 2, start],
    [ofStop - bump / 2, stop],
    [size * (ofStartSlope - bump / 8), startSlope],
    [size * (ofEndSlope + bump / 8), endSlope()],
    [bump, midpoint ?? start],
  ]);
}

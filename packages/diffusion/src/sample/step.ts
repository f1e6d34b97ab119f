import type { TensorTree } from "@coordtok/core";
import type { Field } from "../flow/prediction.js";
import { tidyTree, weightedSum, type Term } from "../flow/tree-math.js";
import type { Tableau } from "./tableau.js";

/** A step of a Runge-Kutta method; the caller owns all its trees. */
export interface Step<T extends TensorTree> {
  /** The state at the end. */
  readonly next: T;
  /** The slopes at the stages. */
  readonly slopes: readonly T[];
}

/**
 * Takes one step.
 * @param first the slope at `x`, if it is known; the result holds a copy of it.
 */
export function rungeKuttaStep<T extends TensorTree>(
  field: Field<T>,
  { nodes, stages, weights }: Tableau,
  x: T,
  t: number,
  size: number,
  first?: T,
): Step<T> {
  return tidyTree(() => {
    const slopes: T[] = [];
    const from = (own: readonly number[]): T =>
      weightedSum<T>([[1, x], ...own.map((weight, j): Term<T> => [weight * size, slopes[j]!])]);
    nodes.forEach((node, i) => {
      if (i === 0) slopes.push(first === undefined ? field(x, t) : weightedSum([[1, first]]));
      else slopes.push(tidyTree(() => field(from(stages[i]!), t + node * size)));
    });
    return { next: from(weights), slopes };
  });
}

import { CoordTokError, disposeTree, treeFromLeaves, treeLeaves, type TensorTree } from "@coordtok/core";
import {
  abs,
  add,
  addN,
  div,
  max,
  maximum,
  mean,
  mul,
  onesLike,
  relu,
  reshape,
  sqrt,
  square,
  stack,
  sub,
  tidy,
  type Scalar,
  type Tensor,
} from "@tensorflow/tfjs-core";
import type { Field } from "../flow/prediction.js";
import { tidyTree, weightedSum, type Term } from "../flow/tree-math.js";
import type { Segment } from "./segment.js";
import { rungeKuttaStep, type Step } from "./step.js";
import type { Tableau } from "./tableau.js";

/** The error that an adaptive solver may make in a step. */
export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
  readonly maxSteps: number;
  readonly overshoot: boolean;
}

type AdaptiveTableau = Tableau & NonNullable<Tableau["adaptive"]>;

/**
 * Takes steps whose size follows from the error that each one makes, with the control of `docs/spec.md#adaptive-ode-solvers`. Time
 * runs forward internally; to integrate backwards, the field is reversed. Each segment is freed when the next one is requested.
 */
export async function* adaptiveSegments<T extends TensorTree>(
  field: Field<T>,
  init: T,
  tableau: AdaptiveTableau,
  from: number,
  to: number,
  tolerance: Tolerance,
): AsyncGenerator<Segment<T>, void, void> {
  const direction = Math.sign(to - from);
  const turned: Field<T> = direction > 0 ? field : (x, s) => tidyTree(() => weightedSum([[-1, field(x, -s)]]));
  const end = direction * to;
  let s = direction * from;
  let x = weightedSum([[1, init]]);
  let slope = turned(x, s);
  try {
    let size = await firstStep(turned, x, slope, s, tableau.order, tolerance);
    for (let tries = 0; end - s > Math.abs(end - direction * from) * 1e-12; tries++) {
      if (!tolerance.overshoot) size = Math.min(size, end - s);
      if (tries >= tolerance.maxSteps || !(size > 1e-10)) throw stuck(direction * s, tries);
      const step = rungeKuttaStep(turned, tableau, x, s, size, slope);
      const error = await errorOf(step, x, size, tableau, tolerance);
      const taken = size;
      size *= error === 0 ? 10 : Math.min(10, Math.max(0.9 * error ** (-1 / tableau.order), error < 1 ? 1 : 0.2));
      // The condition is written so that a NaN error is rejected too.
      if (!(error <= 1)) {
        if (Number.isNaN(error)) size = taken * 0.2;
        disposeTree([step.next, [...step.slopes]]);
        continue;
      }
      const last = step.slopes.length - 1;
      const midpoint = tidyTree(() => weightedSum<T>([[1, x], ...terms(tableau.midpoint, step, taken)]));
      const signed = (own: T): T => (direction > 0 ? own : weightedSum([[-1, own]]));
      const slopes = direction > 0 ? undefined : [signed(slope), signed(step.slopes[last]!)];
      try {
        yield {
          begin: direction * s,
          end: direction * (s + taken),
          start: x,
          stop: step.next,
          startSlope: slopes?.[0] ?? slope,
          endSlope: () => slopes?.[1] ?? step.slopes[last]!,
          midpoint,
        };
      } finally {
        disposeTree([x, slope, midpoint, slopes, step.slopes.slice(0, last)]);
        x = step.next;
        slope = step.slopes[last]!;
        s += taken;
      }
    }
  } finally {
    disposeTree([x, slope]);
  }
}

function stuck(time: number, tries: number): CoordTokError {
  return new CoordTokError(
    "input",
    `The solver could not continue at time ${time.toPrecision(6)} after ${tries} steps; allow a larger error, or use a solver with a fixed step size.`,
  );
}

function terms<T extends TensorTree>(weights: readonly number[], { slopes }: Step<T>, size: number): Term<T>[] {
  return weights.map((weight, i): Term<T> => [weight * size, slopes[i]!]);
}

/**
 * The precision of a slope relative to its root mean square, about sixteen roundings of float32. The measured error of a step
 * contains the method's own error and the accumulated roundings of its slopes, `h · weight · slope · 2⁻²⁰` from each stage, added
 * in squares. The roundings say nothing about the step size, so they are subtracted from the measured square before it is compared
 * with the tolerance. Otherwise the step after one whose own error is below the roundings would be decided by chance, and backends
 * that sum in different orders would take steps of different sizes. The error of a step can exceed the tolerance by at most the
 * roundings.
 */
const slopeResolution = 2 ** -20;

/** The error of a step divided by the tolerance, beyond what comes from rounding; a step with at most 1 is accepted. */
async function errorOf<T extends TensorTree>(
  step: Step<T>,
  x: T,
  size: number,
  { error }: AdaptiveTableau,
  tolerance: Tolerance,
): Promise<number> {
  return numberOf(
    tidy(() => {
      const norms = scaledNorms(weightedSum(terms(error, step, size)), [x, step.next], tolerance);
      const units = scaledNorms(
        treeFromLeaves(
          x,
          treeLeaves(x).map((leaf) => onesLike(leaf)),
        ),
        [x, step.next],
        tolerance,
      );
      const slopes = step.slopes.map((slope) => treeLeaves(slope));
      const beyond = norms.map((norm, i) => {
        const squares = error.map((weight, j) =>
          mul(mean(square(slopes[j]![i]!)), (weight * size * slopeResolution) ** 2),
        );
        return relu(sub(square(norm), mul(square(units[i]!), addN(squares))));
      });
      return sqrt(max<Scalar>(stack(beyond)));
    }),
  );
}

/** The largest root mean square among the leaves of `tree / (absolute + relative max |states|)`. */
function scaledNorm(tree: TensorTree, states: readonly TensorTree[], tolerance: Tolerance): Scalar {
  return max<Scalar>(stack(scaledNorms(tree, states, tolerance)));
}

/** The root mean square of each leaf of `tree / (absolute + relative max |states|)`. */
function scaledNorms(tree: TensorTree, states: readonly TensorTree[], { relative, absolute }: Tolerance): Scalar[] {
  const sizes = states.map((state) => treeLeaves(state));
  return treeLeaves(tree).map((leaf, i) => {
    const largest = sizes.map((leaves) => abs(leaves[i]!)).reduce((a, b) => maximum(a, b));
    return rootMeanSquare(div(leaf, add(mul(largest, relative), absolute)));
  });
}

function rootMeanSquare(x: Tensor): Scalar {
  const rows: Tensor = reshape(square(x), x.rank === 0 ? [1, 1] : [x.shape[0], -1]);
  return sqrt(mean<Scalar>(mean(rows, 1)));
}

async function numberOf(scalar: Scalar): Promise<number> {
  const [value] = await scalar.data();
  scalar.dispose();
  return value!;
}

/** The size of the first step (Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, section II.4). */
async function firstStep<T extends TensorTree>(
  field: Field<T>,
  x: T,
  slope: T,
  s: number,
  order: number,
  tolerance: Tolerance,
): Promise<number> {
  const ofState = await numberOf(tidy(() => scaledNorm(x, [x], tolerance)));
  const ofSlope = await numberOf(tidy(() => scaledNorm(slope, [x], tolerance)));
  const guess = ofState < 1e-5 || ofSlope < 1e-5 ? 1e-6 : (0.01 * ofState) / ofSlope;
  const change = await numberOf(
    tidy(() => {
      const ahead = field(
        weightedSum<T>([
          [1, x],
          [guess, slope],
        ]),
        s + guess,
      );
      return scaledNorm(
        weightedSum([
          [1, ahead],
          [-1, slope],
        ]),
        [x],
        tolerance,
      );
    }),
  );
  const curvature = change / guess;
  const most = Math.max(ofSlope, curvature);
  const size = most <= 1e-15 ? Math.max(1e-6, guess * 1e-3) : (0.01 / most) ** (1 / order);
  return Math.min(100 * guess, size);
}

import {
  checkInteger,
  checkNumber,
  checkOptions,
  CoordTokError,
  disposeTree,
  longCallOptionNames,
  macrotask,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
  type TensorTree,
} from "@coordtok/core";
import type { Field } from "../flow/prediction.js";
import { weightedSum } from "../flow/tree-math.js";
import { adaptiveSegments } from "./adaptive.js";
import { stateAt, type Segment } from "./segment.js";
import { rungeKuttaStep } from "./step.js";
import { tableauOf, type OdeSolverName, type Tableau } from "./tableau.js";

/** Options of {@link solveOde} and {@link odeTrajectory}. */
export interface OdeOptions extends LongCallOptions {
  /** Default `heun2`. */
  readonly solver?: OdeSolverName | undefined;
  /** Steps of a solver with steps of one size, at least 1 (default 50); the others choose theirs. */
  readonly steps?: number | undefined;
  /** Where time begins (default 0, noise). */
  readonly from?: number | undefined;
  /** Where time ends (default 1, data); it may lie before `from`. */
  readonly to?: number | undefined;
  /** Relative error that a solver may make in a step of its choice (default 1e-3). */
  readonly relativeTolerance?: number | undefined;
  /** Absolute error that it may make besides (default 1e-6). */
  readonly absoluteTolerance?: number | undefined;
  /** Steps that such a solver may try before it gives up (default 10000). */
  readonly maxSteps?: number | undefined;
  /** Whether its last step runs past the end and is interpolated, as in the published code (default: it ends at the end). */
  readonly overshoot?: boolean | undefined;
}

/** The names of {@link OdeOptions}. */
export const odeOptionNames: OptionNames<OdeOptions> = {
  ...longCallOptionNames,
  solver: true,
  steps: true,
  from: true,
  to: true,
  relativeTolerance: true,
  absoluteTolerance: true,
  maxSteps: true,
  overshoot: true,
};

/** A state and its time. */
export interface TimedState<T extends TensorTree> {
  /** The time. */
  readonly time: number;
  /** The state, the caller's. */
  readonly state: T;
}

/** `count + 1` times of equal distance, rounded to float32 as the published code has them. */
export function timeGrid(from: number, to: number, count: number): number[] {
  return Array.from({ length: count + 1 }, (_, i) => Math.fround(from + ((to - from) * i) / count));
}

/**
 * Follows a field from one time to another: from noise to data, or back.
 * @param field the velocity; see `velocityField`.
 * @param init stays the caller's.
 * @returns the state at the end, the caller's.
 * @throws CoordTokError `config` for options out of range, `input` when an adaptive solver cannot continue, `aborted`.
 */
export async function solveOde<T extends TensorTree>(field: Field<T>, init: T, options: OdeOptions = {}): Promise<T> {
  checkOptions(options, odeOptionNames, "solveOde");
  let last: T | undefined;
  for await (const { state } of odeTrajectory(field, init, { ...options, times: [options.to ?? 1] })) last = state;
  return last!;
}

const odeTrajectoryOptionNames: OptionNames<OdeOptions & { readonly times?: readonly number[] | undefined }> = {
  ...odeOptionNames,
  times: true,
};

/**
 * The states on the way of {@link solveOde}.
 * @param options.times where, in the order of the way (default: the start and the end of each of `steps` steps). Times between steps are
 * interpolated, by a cubic with steps of one size and by a quartic with steps of the solver's choice.
 * @returns each state is the caller's.
 */
export async function* odeTrajectory<T extends TensorTree>(
  field: Field<T>,
  init: T,
  options: OdeOptions & { readonly times?: readonly number[] | undefined } = {},
): AsyncGenerator<TimedState<T>, void, void> {
  checkOptions(options, odeTrajectoryOptionNames, "odeTrajectory");
  const { from = 0, to = 1, solver = "heun2", steps = 50, signal, onProgress } = options;
  const tableau = tableauOf(solver);
  checkInteger(steps, "steps", 1);
  checkWay(from, to, options.times);
  const times = options.times ?? timeGrid(from, to, steps);
  const segments = tableau.adaptive
    ? adaptiveSegments(field, init, { ...tableau, ...tableau.adaptive }, from, to, toleranceOf(options))
    : fixedSegments(field, init, tableau, timeGrid(from, to, steps));
  let next = 0;
  while (next < times.length && times[next] === from) yield { time: times[next++]!, state: weightedSum([[1, init]]) };
  let done = 0;
  for await (const segment of segments) {
    onProgress?.({ task: "sample", done: ++done, ...(tableau.adaptive ? {} : { total: steps }), unit: "steps" });
    while (next < times.length && isBefore(times[next]!, segment.end, to - from))
      yield { time: times[next]!, state: stateAt(segment, times[next++]!) };
    throwIfAborted(signal);
    if (next === times.length) return;
    await macrotask();
  }
}

/** Whether a time lies in a step that ends at `end`, or so near behind it that only rounding parts them. */
function isBefore(time: number, end: number, way: number): boolean {
  return (time - end) * Math.sign(way) <= Math.abs(way) * 1e-6;
}

function checkWay(from: number, to: number, times: readonly number[] | undefined): void {
  if (!(Number.isFinite(from) && Number.isFinite(to) && from !== to))
    throw new CoordTokError("config", `Expected two different times to integrate between, got ${from} and ${to}.`);
  const direction = Math.sign(to - from);
  times?.forEach((time, i) => {
    const before = i === 0 ? from : times[i - 1]!;
    if (!((time - before) * direction >= 0 && (to - time) * direction >= 0))
      throw new CoordTokError("config", `Expected times in order from ${from} to ${to}, got ${time} after ${before}.`);
  });
}

function toleranceOf(options: OdeOptions): Parameters<typeof adaptiveSegments>[5] {
  return {
    relative: checkNumber(options.relativeTolerance ?? 1e-3, "relativeTolerance", 0, 1),
    absolute: checkNumber(options.absoluteTolerance ?? 1e-6, "absoluteTolerance", 1e-12),
    maxSteps: checkInteger(options.maxSteps ?? 10_000, "maxSteps", 1),
    overshoot: options.overshoot ?? false,
  };
}

/** Steps of one size. Each segment is freed when the next one is asked for. */
async function* fixedSegments<T extends TensorTree>(
  field: Field<T>,
  init: T,
  tableau: Tableau,
  grid: readonly number[],
): AsyncGenerator<Segment<T>, void, void> {
  let x = weightedSum([[1, init]]);
  let first: T | undefined;
  try {
    for (let i = 1; i < grid.length; i++) {
      const [begin, end] = [grid[i - 1]!, grid[i]!];
      const { next, slopes } = rungeKuttaStep(field, tableau, x, begin, end - begin, first);
      disposeTree([first, slopes.slice(1)]);
      first = undefined;
      const endSlope = (): T => (first ??= field(next, end));
      try {
        yield { begin, end, start: x, stop: next, startSlope: slopes[0]!, endSlope, midpoint: undefined };
      } finally {
        disposeTree([x, slopes[0]!]);
        x = next;
      }
    }
  } finally {
    disposeTree([x, first]);
  }
}

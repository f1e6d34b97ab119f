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
  /** The solver (default `heun2`). */
  readonly solver?: OdeSolverName | undefined;
  /** Number of steps of a solver with a fixed step size, at least 1 (default 50). Adaptive solvers ignore it. */
  readonly steps?: number | undefined;
  /** The time at which integration starts (default 0, noise). */
  readonly from?: number | undefined;
  /** The time at which integration ends (default 1, data); it may be before `from`. */
  readonly to?: number | undefined;
  /** The relative error that an adaptive solver may make in a step (default 1e-3). */
  readonly relativeTolerance?: number | undefined;
  /** The absolute error that an adaptive solver may make in a step in addition (default 1e-6). */
  readonly absoluteTolerance?: number | undefined;
  /** The number of steps that an adaptive solver may try before it gives up (default 10000). */
  readonly maxSteps?: number | undefined;
  /**
   * Whether the last step of an adaptive solver runs past the end and is interpolated, as in the published code (default: it stops
   * at the end).
   */
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
  /** The state, owned by the caller. */
  readonly state: T;
}

/** `count + 1` equally spaced times, rounded to float32 as in the published code. */
export function timeGrid(from: number, to: number, count: number): number[] {
  return Array.from({ length: count + 1 }, (_, i) => Math.fround(from + ((to - from) * i) / count));
}

/**
 * Integrates a field from one time to another: from noise to data, or back.
 * @param field the velocity; see `velocityField`.
 * @param init the state at the start, still owned by the caller.
 * @returns the state at the end, owned by the caller.
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
 * Yields the intermediate states of {@link solveOde}.
 * @param options.times the times of the states, in the order of integration (default: the start, and the end of each of `steps`
 *   steps). States between steps are interpolated, by a cubic for a fixed step size and by a quartic for an adaptive one.
 * @returns the states, each owned by the caller.
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

/** Whether a time lies in a step that ends at `end`, or so close behind it that the difference is rounding. */
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

/** Takes steps of a fixed size. Each segment is freed when the next one is requested. */
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

import {
  checkChoice,
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
import { interpolant } from "../flow/interpolant.js";
import { samplingInterval } from "../flow/interval.js";
import {
  derivedField,
  scoreWeights,
  velocityWeights,
  type Field,
  type Flow,
  type Weights,
} from "../flow/prediction.js";
import { tidyTree, weightedSum } from "../flow/tree-math.js";
import { diffusionCoefficient, diffusionForms, type DiffusionForm } from "../flow/diffusion-form.js";
import { timeGrid, type TimedState } from "./ode.js";

/** The names of the SDE solvers. */
export const sdeSolverNames = ["euler", "heun"] as const;

/** An SDE solver: `euler` is the Euler-Maruyama method; `heun` adds the noise first, then takes a step of the explicit trapezoid rule. */
export type SdeSolverName = (typeof sdeSolverNames)[number];

/** The names of the last steps. */
export const lastSteps = ["mean", "euler", "tweedie", "none"] as const;

/**
 * The last step, which adds no noise: `mean` follows the drift of the SDE, `euler` follows the velocity, `tweedie` jumps to the
 * expected data, `none` takes no last step.
 */
export type LastStep = (typeof lastSteps)[number];

/** Options of {@link solveSde} and {@link sdeTrajectory}. */
export interface SdeOptions<T extends TensorTree> extends LongCallOptions {
  /** Draws the noise of a step, standard normal and of the form of the state; the solver frees it. */
  readonly noise: (step: number) => T;
  /** The solver (default `euler`). */
  readonly solver?: SdeSolverName | undefined;
  /** Number of steps including the last one (default 250). */
  readonly steps?: number | undefined;
  /** The form of the noise over time (default `sigma`). */
  readonly form?: DiffusionForm | undefined;
  /** The factor of the form (default 1). */
  readonly norm?: number | undefined;
  /** The kind of last step (default `mean`). */
  readonly last?: LastStep | undefined;
  /** The size of the last step (default 0.04). */
  readonly lastStepSize?: number | undefined;
  /** The time at which sampling starts (default: as close to 0 as the flow allows). */
  readonly from?: number | undefined;
  /** The time at which the steps with noise end (default: where the last step begins). */
  readonly to?: number | undefined;
}

const sdeOptionNames: OptionNames<SdeOptions<TensorTree>> = {
  ...longCallOptionNames,
  noise: true,
  solver: true,
  steps: true,
  form: true,
  norm: true,
  last: true,
  lastStepSize: true,
  from: true,
  to: true,
};

/**
 * Samples with noise added at each step (`docs/spec.md#sde-samplers`). The defaults are those of the published sampler.
 * @param model a field that predicts what the flow says.
 * @param init the state at the start, still owned by the caller.
 * @returns the state at the end, owned by the caller.
 * @throws CoordTokError `config` for options out of range, `aborted`.
 */
export async function solveSde<T extends TensorTree>(
  model: Field<T>,
  flow: Flow,
  init: T,
  options: SdeOptions<T>,
): Promise<T> {
  checkOptions(options, sdeOptionNames, "solveSde");
  let last: T | undefined;
  for await (const { state } of sdeTrajectory(model, flow, init, options)) {
    disposeTree(last);
    last = state;
  }
  return last!;
}

/** Yields the states of {@link solveSde} after each step with noise, then after the last step, each owned by the caller. */
export async function* sdeTrajectory<T extends TensorTree>(
  model: Field<T>,
  flow: Flow,
  init: T,
  options: SdeOptions<T>,
): AsyncGenerator<TimedState<T>, void, void> {
  checkOptions(options, sdeOptionNames, "sdeTrajectory");
  const { solver, form, norm, last, lastStepSize, steps } = checkedOptions(options);
  const noisySteps = last === "none" ? steps : steps - 1;
  const use = { form, lastStepSize: last === "none" ? 0 : lastStepSize };
  const way = { ...samplingInterval(flow, use), ...given(options) };
  const grid = timeGrid(way.from, way.to, noisySteps);
  const size = Math.fround(grid[1]! - grid[0]!);
  const coefficient = (t: number): number => diffusionCoefficient(form, flow.path, norm, t);
  const drift = derivedField(model, (t) => driftWeights(flow, coefficient(t), t));
  const step = solver === "heun" ? heunStep : eulerStep;
  let x = weightedSum([[1, init]]);
  try {
    for (let i = 0; i < noisySteps; i++) {
      throwIfAborted(options.signal);
      const noise = options.noise(i);
      const scale = Math.sqrt(2 * coefficient(grid[i]!)) * Math.sqrt(size);
      const next = step(drift, x, grid[i]!, size, noise, scale);
      disposeTree([x, noise]);
      x = next;
      options.onProgress?.({ task: "sample", done: i + 1, total: steps, unit: "steps" });
      yield { time: Math.fround(grid[i]! + size), state: weightedSum([[1, x]]) };
      await macrotask();
    }
    if (last === "none") return;
    const state = lastStep(model, flow, drift, x, grid[noisySteps]!, last, lastStepSize);
    options.onProgress?.({ task: "sample", done: steps, total: steps, unit: "steps" });
    yield { time: 1, state };
  } finally {
    disposeTree(x);
  }
}

type Checked = Required<Pick<SdeOptions<TensorTree>, "solver" | "form" | "norm" | "last" | "lastStepSize" | "steps">>;

function checkedOptions(options: Omit<SdeOptions<TensorTree>, "noise">): {
  readonly [K in keyof Checked]: NonNullable<Checked[K]>;
} {
  const last = checkChoice(options.last ?? "mean", "last", lastSteps);
  const steps = checkInteger(options.steps ?? 250, "steps", last === "none" ? 1 : 2);
  const lastStepSize = checkNumber(options.lastStepSize ?? 0.04, "lastStepSize", 0, 1);
  if (last !== "none" && lastStepSize === 0)
    throw new CoordTokError("config", "Expected a last step of a size above 0; choose last=none to take none.");
  return {
    last,
    steps,
    lastStepSize,
    solver: checkChoice(options.solver ?? "euler", "solver", sdeSolverNames),
    form: checkChoice(options.form ?? "sigma", "form", diffusionForms),
    norm: checkNumber(options.norm ?? 1, "norm", 0),
  };
}

function given({ from, to }: { from?: number | undefined; to?: number | undefined }): { from?: number; to?: number } {
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

/** The weights of `velocity + g score`. */
function driftWeights(flow: Flow, g: number, t: number): Weights {
  const [velocity, score] = [velocityWeights(flow, t), scoreWeights(flow, t)];
  return { x: velocity.x + g * score.x, output: velocity.output + g * score.output };
}

function eulerStep<T extends TensorTree>(drift: Field<T>, x: T, t: number, size: number, noise: T, scale: number): T {
  return tidyTree(() =>
    weightedSum([
      [1, x],
      [size, drift(x, t)],
      [scale, noise],
    ]),
  );
}

function heunStep<T extends TensorTree>(drift: Field<T>, x: T, t: number, size: number, noise: T, scale: number): T {
  return tidyTree(() => {
    const moved = weightedSum<T>([
      [1, x],
      [scale, noise],
    ]);
    const first = drift(moved, t);
    const ahead = weightedSum<T>([
      [1, moved],
      [size, first],
    ]);
    return weightedSum([
      [1, moved],
      [size / 2, first],
      [size / 2, drift(ahead, t + size)],
    ]);
  });
}

function lastStep<T extends TensorTree>(
  model: Field<T>,
  flow: Flow,
  drift: Field<T>,
  x: T,
  t: number,
  kind: Exclude<LastStep, "none">,
  size: number,
): T {
  if (kind === "tweedie") {
    const { alpha, sigma } = interpolant(flow.path);
    const share = sigma(t) ** 2 / alpha(t);
    const expected = derivedField(model, (time) => {
      const score = scoreWeights(flow, time);
      return { x: 1 / alpha(t) + share * score.x, output: share * score.output };
    });
    return expected(x, t);
  }
  const along = kind === "mean" ? drift : derivedField(model, (time) => velocityWeights(flow, time));
  return tidyTree(() =>
    weightedSum([
      [1, x],
      [size, along(x, t)],
    ]),
  );
}

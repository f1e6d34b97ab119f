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

/** SDE solvers. */
export const sdeSolverNames = ["euler", "heun"] as const;

/** `euler` is Euler and Maruyama's; `heun` adds the noise first, then takes a step of the explicit trapezoid rule. */
export type SdeSolverName = (typeof sdeSolverNames)[number];

/** Last steps. */
export const lastSteps = ["mean", "euler", "tweedie", "none"] as const;

/**
 * The last step, which adds no noise: `mean` goes along the drift of the SDE, `euler` along the velocity, `tweedie` to the expected
 * data, `none` is none.
 */
export type LastStep = (typeof lastSteps)[number];

/** Options of {@link solveSde} and {@link sdeTrajectory}. */
export interface SdeOptions<T extends TensorTree> extends LongCallOptions {
  /** The noise of a step, standard normal and of the form of the state; it is freed by the solver. */
  readonly noise: (step: number) => T;
  /** Default `euler`. */
  readonly solver?: SdeSolverName | undefined;
  /** Steps in all, the last one included (default 250). */
  readonly steps?: number | undefined;
  /** How strongly noise is added over time (default `sigma`). */
  readonly form?: DiffusionForm | undefined;
  /** What the form is multiplied by (default 1). */
  readonly norm?: number | undefined;
  /** Default `mean`. */
  readonly last?: LastStep | undefined;
  /** Its size (default 0.04). */
  readonly lastStepSize?: number | undefined;
  /** Where time begins (default: as near to 0 as the flow allows). */
  readonly from?: number | undefined;
  /** Where the steps with noise end (default: where the last step begins). */
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
 * Samples with noise added on the way (`docs/spec.md#sde-samplers`). The defaults are the published sampler.
 * @param model predicts what the flow says.
 * @param init stays the caller's.
 * @returns the state at the end, the caller's.
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

/** The states of {@link solveSde} after each step with noise, then after the last one. Each is the caller's. */
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
    throw new CoordTokError("config", "Expected a last step of a size above 0; for none take last=none.");
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

/** `velocity + g score`. */
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

import type { Flow } from "./prediction.js";
import type { DiffusionForm } from "./diffusion-form.js";

/** A time interval. */
export interface Interval {
  /** Where it begins. */
  readonly from: number;
  /** Where it ends. */
  readonly to: number;
}

/** What is sampled with an SDE, as far as its interval depends on it. */
export interface StochasticUse {
  /** How noise is added. */
  readonly form: DiffusionForm;
  /** Size of the last step, which adds no noise; 0 for none. */
  readonly lastStepSize: number;
}

/**
 * The times between which a flow is trained or sampled from noise to data (`docs/spec.md#intervals`): it keeps `epsilon` away from the
 * noise end where the path is singular there, and from the data end; an SDE with a last step ends where that step begins.
 */
export function interval(flow: Flow, epsilon: number, stochastic?: StochasticUse): Interval {
  const singularStart = flow.path !== "vp" && (flow.prediction !== "velocity" || stochastic?.form === "sbdm");
  const lastStepSize = stochastic?.lastStepSize ?? 0;
  return { from: singularStart ? epsilon : 0, to: 1 - (lastStepSize > 0 ? lastStepSize : epsilon) };
}

/** The distance from the ends that the published code keeps in training and in sampling (`docs/spec.md#intervals`). */
export function officialEpsilon({ path, prediction }: Flow, use: "training" | "sampling"): number {
  if (path === "vp") return use === "training" ? 1e-5 : 1e-3;
  return prediction === "velocity" ? 0 : 1e-3;
}

/** The times to train on. */
export function trainingInterval(flow: Flow): Interval {
  return interval(flow, officialEpsilon(flow, "training"));
}

/**
 * The times to sample between. Where the published code divides by zero (noise of the form `sbdm` from the noise end, a score at the data
 * end), this keeps 0.001 away.
 */
export function samplingInterval(flow: Flow, stochastic?: StochasticUse): Interval {
  const official = officialEpsilon(flow, "sampling");
  return interval(flow, stochastic === undefined ? official : Math.max(official, 1e-3), stochastic);
}

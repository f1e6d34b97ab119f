import type { Flow } from "./prediction.js";
import type { DiffusionForm } from "./diffusion-form.js";

/** A time interval. */
export interface Interval {
  /** The start. */
  readonly from: number;
  /** The end. */
  readonly to: number;
}

/** The properties of an SDE sampler that its time interval depends on. */
export interface StochasticUse {
  /** The diffusion form. */
  readonly form: DiffusionForm;
  /** The size of the last step, which adds no noise; 0 when there is none. */
  readonly lastStepSize: number;
}

/**
 * The time interval in which a flow is trained or sampled, from noise to data (`docs/spec.md#intervals`). It stays `epsilon` away
 * from the noise end when the path is singular there, and from the data end; for an SDE with a last step it ends where that step
 * begins.
 */
export function interval(flow: Flow, epsilon: number, stochastic?: StochasticUse): Interval {
  const singularStart = flow.path !== "vp" && (flow.prediction !== "velocity" || stochastic?.form === "sbdm");
  const lastStepSize = stochastic?.lastStepSize ?? 0;
  return { from: singularStart ? epsilon : 0, to: 1 - (lastStepSize > 0 ? lastStepSize : epsilon) };
}

/** The distance that the published code keeps from the ends in training and in sampling (`docs/spec.md#intervals`). */
export function officialEpsilon({ path, prediction }: Flow, use: "training" | "sampling"): number {
  if (path === "vp") return use === "training" ? 1e-5 : 1e-3;
  return prediction === "velocity" ? 0 : 1e-3;
}

/** The time interval for training. */
export function trainingInterval(flow: Flow): Interval {
  return interval(flow, officialEpsilon(flow, "training"));
}

/**
 * The time interval for sampling. It stays 0.001 away from the ends where the published code divides by zero (noise of the form
 * `sbdm` at the noise end, a score at the data end).
 */
export function samplingInterval(flow: Flow, stochastic?: StochasticUse): Interval {
  const official = officialEpsilon(flow, "sampling");
  return interval(flow, stochastic === undefined ? official : Math.max(official, 1e-3), stochastic);
}

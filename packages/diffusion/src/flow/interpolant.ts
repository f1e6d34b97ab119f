import { checkChoice } from "@coordtok/core";

/** The names of the published paths from noise to data. */
export const pathNames = ["linear", "gvp", "vp"] as const;

/** A path by name: `linear` and `gvp` (on the circle) reach pure noise at time 0, `vp` (variance preserving) nearly does. */
export type PathName = (typeof pathNames)[number];

/**
 * A path from noise (time 0) to data (time 1): `x_t = alpha x1 + sigma x0` (`docs/spec.md#paths`; SiT, arXiv 2401.08740, section 2).
 * All functions take a time and return a number in double precision.
 */
export interface Interpolant {
  /** The factor of the data. */
  readonly alpha: (t: number) => number;
  /** The derivative of `alpha`. */
  readonly alphaRate: (t: number) => number;
  /** The factor of the noise. */
  readonly sigma: (t: number) => number;
  /** The derivative of `sigma`; infinite at the data end of `vp`. */
  readonly sigmaRate: (t: number) => number;
  /** The coefficient `b` of the drift `-b x` of the score form; infinite at time 0 of `linear` and `gvp`. */
  readonly drift: (t: number) => number;
  /** The factor of the score in the velocity, `velocity = variance score + b x`. */
  readonly variance: (t: number) => number;
}

const linear: Interpolant = {
  alpha: (t) => t,
  alphaRate: () => 1,
  sigma: (t) => 1 - t,
  sigmaRate: () => -1,
  drift: (t) => 1 / t,
  variance: (t) => (1 - t) ** 2 / t + (1 - t),
};

const quarterTurn = Math.PI / 2;

const gvp: Interpolant = {
  alpha: (t) => Math.sin(quarterTurn * t),
  alphaRate: (t) => quarterTurn * Math.cos(quarterTurn * t),
  sigma: (t) => Math.cos(quarterTurn * t),
  sigmaRate: (t) => -quarterTurn * Math.sin(quarterTurn * t),
  drift: (t) => quarterTurn / Math.tan(quarterTurn * t),
  variance: (t) => gvp.drift(t) * gvp.sigma(t) ** 2 - gvp.sigma(t) * gvp.sigmaRate(t),
};

/** The noise rates of `vp` at the data end and at the noise end. */
const leastBeta = 0.1;
const mostBeta = 20;

const vp: Interpolant = {
  alpha: (t) => Math.exp(logAlpha(t)),
  alphaRate: (t) => vp.alpha(t) * vp.drift(t),
  sigma: (t) => Math.sqrt(-Math.expm1(2 * logAlpha(t))),
  sigmaRate: (t) => (-Math.exp(2 * logAlpha(t)) * vp.drift(t)) / vp.sigma(t),
  drift: (t) => ((1 - t) * (mostBeta - leastBeta)) / 2 + leastBeta / 2,
  variance: (t) => vp.drift(t),
};

function logAlpha(t: number): number {
  return (-((1 - t) ** 2) * (mostBeta - leastBeta)) / 4 - ((1 - t) * leastBeta) / 2;
}

/** Returns the path of a name. */
export function interpolant(path: PathName): Interpolant {
  return { linear, gvp, vp }[checkChoice(path, "path", pathNames)];
}

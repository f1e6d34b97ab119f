import { checkChoice } from "@coordtok/core";

/** A Runge-Kutta method: stage i is taken at `t + nodes[i] h` from `x + h Σ stages[i][j] k_j`, and the step is `h Σ weights[j] k_j`. */
export interface Tableau {
  /** Its order of convergence. */
  readonly order: number;
  /** The positions of the stages in the step, 0 to 1. */
  readonly nodes: readonly number[];
  /** The weights of the earlier stages in each stage. */
  readonly stages: readonly (readonly number[])[];
  /** The weights of the stages in the step. */
  readonly weights: readonly number[];
  /** The additional weights of adaptive methods, whose last stage is the first of the next step. */
  readonly adaptive?: {
    /** The weights of the stages in the error estimate of a step. */
    readonly error: readonly number[];
    /** The weights of the stages in the state at the middle of a step. */
    readonly midpoint: readonly number[];
  };
}

/** The name of an ODE solver: `euler` to `rk4` take steps of a fixed size, `bosh3` and `dopri5` adapt it to the error they make. */
export type OdeSolverName = "euler" | "midpoint" | "heun2" | "heun3" | "rk4" | "bosh3" | "dopri5";

const tableaus: { readonly [name in OdeSolverName]: Tableau } = {
  euler: { order: 1, nodes: [0], stages: [[]], weights: [1] },
  midpoint: { order: 2, nodes: [0, 1 / 2], stages: [[], [1 / 2]], weights: [0, 1] },
  /** The explicit trapezoid rule. */
  heun2: { order: 2, nodes: [0, 1], stages: [[], [1]], weights: [1 / 2, 1 / 2] },
  heun3: {
    order: 3,
    nodes: [0, 1 / 3, 2 / 3],
    stages: [[], [1 / 3], [0, 2 / 3]],
    weights: [1 / 4, 0, 3 / 4],
  },
  /** The 3/8 rule. */
  rk4: {
    order: 4,
    nodes: [0, 1 / 3, 2 / 3, 1],
    stages: [[], [1 / 3], [-1 / 3, 1], [1, -1, 1]],
    weights: [1 / 8, 3 / 8, 3 / 8, 1 / 8],
  },
  /** Bogacki and Shampine (1989). */
  bosh3: {
    order: 3,
    nodes: [0, 1 / 2, 3 / 4, 1],
    stages: [[], [1 / 2], [0, 3 / 4], [2 / 9, 1 / 3, 4 / 9]],
    weights: [2 / 9, 1 / 3, 4 / 9, 0],
    adaptive: {
      error: [2 / 9 - 7 / 24, 1 / 3 - 1 / 4, 4 / 9 - 1 / 3, -1 / 8],
      midpoint: [0, 1 / 2, 0, 0],
    },
  },
  /** Dormand and Prince (1980), with the error estimate of Shampine (1986), which is two thirds of theirs. */
  dopri5: {
    order: 5,
    nodes: [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1],
    stages: [
      [],
      [1 / 5],
      [3 / 40, 9 / 40],
      [44 / 45, -56 / 15, 32 / 9],
      [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
      [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
      [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    ],
    weights: [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0],
    adaptive: {
      error: [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40].map((e) => (e * 2) / 3),
      midpoint: [
        6025192743 / 30085553152,
        0,
        51252292925 / 65400821598,
        -2691868925 / 45128329728,
        187940372067 / 1594534317056,
        -1776094331 / 19743644256,
        11237099 / 235043384,
      ].map((weight) => weight / 2),
    },
  },
};

/** The names of the ODE solvers, by order. */
export const odeSolverNames: readonly OdeSolverName[] = Object.keys(tableaus) as OdeSolverName[];

/** Returns the tableau of a solver. */
export function tableauOf(solver: OdeSolverName): Tableau {
  return tableaus[checkChoice(solver, "solver", odeSolverNames)];
}

// Solvers over any tree of tensors.
export { odeTrajectory, solveOde, timeGrid, type OdeOptions, type TimedState } from "./ode.js";
export { sdeTrajectory, solveSde, type SdeOptions } from "./sde.js";
// Guidance by classes.
export { guidedField } from "./guidance.js";

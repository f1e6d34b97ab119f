// Paths from noise to data, and what a model may predict on them.
export { interpolant, type Interpolant } from "./interpolant.js";
export {
  checkFlow,
  derivedField,
  noiseWeights,
  scoreWeights,
  velocityField,
  velocityWeights,
  type Field,
  type Weights,
} from "./prediction.js";
export { diffusionCoefficient } from "./diffusion-form.js";
// Where on a path a model is trained and sampled.
export {
  interval,
  officialEpsilon,
  samplingInterval,
  trainingInterval,
  type Interval,
  type StochasticUse,
} from "./interval.js";
// What a model is trained for.
export {
  drawTimes,
  flowLoss,
  noisyData,
  timeDistributions,
  weightings,
  type TimeDistribution,
  type Weighting,
} from "./objective.js";
// Arithmetic of trees of tensors.
export { normalLike, randomLike, weightedSum, type Term } from "./tree-math.js";

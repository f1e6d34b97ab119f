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
// The times of a path at which a model is trained and sampled.
export {
  interval,
  officialEpsilon,
  samplingInterval,
  trainingInterval,
  type Interval,
  type StochasticUse,
} from "./interval.js";
// The training objective.
export {
  drawTimes,
  flowLoss,
  noisyData,
  timeDistributions,
  weightings,
  type TimeDistribution,
  type Weighting,
} from "./objective.js";
// Arithmetic on trees of tensors.
export { normalLike, randomLike, weightedSum, type Term } from "./tree-math.js";

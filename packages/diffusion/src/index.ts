export { checkConfig, classRows, overrideConfig, tokenGrid, tokensOf, type SiTConfig } from "./config.js";
export { estimateMemory, type MemoryWork } from "./memory.js";
export { preset, presetNames, type PresetOptions } from "./presets.js";
export {
  createParams,
  paramShapes,
  type ConditioningParams,
  type SiTBlockParams,
  type SiTOutputParams,
  type SiTParams,
} from "./params.js";
export { sinCosPositions } from "./position.js";
export { dropLabels, noClass, timeEmbedding } from "./conditioning.js";
export { sit } from "./sit.js";
export { interpolant, pathNames, type Interpolant, type PathName } from "./interpolant.js";
export {
  checkFlow,
  defaultFlow,
  derivedField,
  noiseWeights,
  predictionNames,
  scoreWeights,
  velocityField,
  velocityWeights,
  type Field,
  type Flow,
  type PredictionName,
  type Weights,
} from "./prediction.js";
export {
  interval,
  officialEpsilon,
  samplingInterval,
  trainingInterval,
  type Interval,
  type StochasticUse,
} from "./interval.js";
export {
  drawTimes,
  flowLoss,
  noisyData,
  timeDistributions,
  weightings,
  type TimeDistribution,
  type Weighting,
} from "./objective.js";
export { guidedField, type GuidanceOptions } from "./guidance.js";
export { diffusionCoefficient, diffusionForms, type DiffusionForm } from "./sample/diffusion-form.js";
export { odeSolverNames, type OdeSolverName } from "./sample/tableau.js";
export { odeTrajectory, solveOde, timeGrid, type OdeOptions, type TimedState } from "./sample/ode.js";
export {
  lastSteps,
  sdeSolverNames,
  sdeTrajectory,
  solveSde,
  type LastStep,
  type SdeOptions,
  type SdeSolverName,
} from "./sample/sde.js";
export { normalLike, randomLike, weightedSum, type Term } from "./tree-math.js";
export {
  checkpointKind,
  encodeGenerator,
  loadGenerator,
  parseGeneratorConfig,
  type GeneratorConfig,
  type LatentFacts,
  type LoadedGenerator,
  type LoadGeneratorOptions,
} from "./checkpoint.js";
export { samplerNames, SiT, type Sample, type SampleOptions, type SamplerName } from "./generator.js";

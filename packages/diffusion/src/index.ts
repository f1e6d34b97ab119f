// The handle that most programs need.
export { samplerNames, SiT, type Sample, type SampleOptions, type SamplerName } from "./generator.js";
// The form of a model.
export { checkConfig, overrideConfig, tokensOf, type SiTConfig } from "./config.js";
export { preset, presetNames, type PresetOptions } from "./presets.js";
export { estimateMemory, type MemoryWork } from "./memory.js";
// The training objective and the samplers; the functions themselves are in `/flow` and `/sample`.
export { pathNames, type PathName } from "./flow/interpolant.js";
export { defaultFlow, predictionNames, type Flow, type PredictionName } from "./flow/prediction.js";
export { diffusionForms, type DiffusionForm } from "./flow/diffusion-form.js";
export type { GuidanceOptions } from "./sample/guidance.js";
export { odeSolverNames, type OdeSolverName } from "./sample/tableau.js";
export { lastSteps, sdeSolverNames, type LastStep, type SdeSolverName } from "./sample/sde.js";
// Checkpoint files.
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

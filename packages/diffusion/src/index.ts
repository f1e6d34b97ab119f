export { checkConfig, classRows, overrideConfig, tokenGrid, tokensOf, type SiTConfig } from "./config.js";
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
export {
  configFromOfficial,
  configFromOfficialShapes,
  type InferOptions,
  type OfficialArguments,
} from "./official-config.js";
export { officialFromParams, officialShapes, paramsFromOfficial } from "./official-names.js";

// The transformer as a pure function of its parameters.
export { sit } from "./sit.js";
export {
  createParams,
  paramShapes,
  type ConditioningParams,
  type SiTBlockParams,
  type SiTOutputParams,
  type SiTParams,
} from "./params.js";
// The condition, and the positions of the tokens.
export { dropLabels, noClass, timeEmbedding } from "./conditioning.js";
export { classRows, tokenGrid } from "../config.js";
export { sinCosPositions } from "./position.js";

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
// What it is conditioned on, and where its tokens are.
export { dropLabels, noClass, timeEmbedding } from "./conditioning.js";
export { classRows, tokenGrid } from "../config.js";
export { sinCosPositions } from "./position.js";

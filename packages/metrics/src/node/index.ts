export { defaultWeightsFolder, downloadCommand, findWeights, type FoundWeights } from "./find-weights.js";
export { loadI3d, loadLpips, type LoadedWeights } from "./load-weights.js";

export { encodeTraining, readTraining, type SavedTraining } from "./checkpoint.js";
export { tokenizerLoss, type LossBatch, type PerceptualTerm } from "./loss.js";
export { framePatches, patchTargets, randomPatches, randomFramePatches, realTimes } from "./sample.js";
export {
  lossBatch,
  psnrOfError,
  trainDefaults,
  trainTokenizer,
  type ClipSource,
  type TokenizerTrainSettings,
  type TrainTokenizerOptions,
  type TrainTokenizerStep,
} from "./train.js";
export { latticeLoss, type LatticeLossOptions } from "../lattice/train/loss.js";

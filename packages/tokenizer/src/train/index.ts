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
  type WindowSource,
} from "./train.js";
export { videoDraws, type VideoDraw } from "./sampler.js";
export { latticeLoss, psnrOfLatticeLoss, type LatticeLossOptions } from "../lattice/train/loss.js";
export { createLatticeStart, withLinearStart } from "../lattice/train/start.js";
export { stillPicture, type StillPicture } from "../lattice/train/moving-pictures.js";
export type { PictureStack } from "../lattice/train/picture-taps.js";
export {
  latticeShapes,
  latticeTrainDefaults,
  type BatchShape,
  type LatticeShapesOptions,
  type LatticeTrainSettings,
} from "../lattice/train/settings.js";
export { latticeOptimizer } from "../lattice/train/optimizer.js";
export { fitsWindow } from "../lattice/train/footage.js";
export { drawLatticeWindows, type TrainingFootage } from "../lattice/train/batch.js";
export {
  encodeLatticeTraining,
  readLatticeTraining,
  trainLattice,
  type SavedLatticeTraining,
  type TrainLatticeOptions,
  type TrainLatticeStep,
} from "../lattice/train/train.js";

export { encodeTraining, readTraining, type SavedTraining } from "./checkpoint.js";
export { logLikelihood, type LikelihoodOptions } from "../sample/likelihood.js";
export {
  clipsTaken,
  trainDefaults,
  trainDiffusion,
  type DiffusionTrainSettings,
  type TrainDiffusionOptions,
  type TrainDiffusionStep,
} from "./train.js";

export { clipForTraining } from "./clip-for-training.js";
export { withChanges } from "../config.js";
export { adamw, adamwDefaults, type AdamWSettings, type AdamWState, type Schedule } from "./adamw.js";
export { encodeTrainState, readTrainState, type ExpectedTraining, type StoredTraining } from "./checkpoint.js";
export { emaDecayAt, emaUpdate } from "./ema.js";
export { clipByGlobalNorm, clipByOwnNorm, clipFactor, globalNorm } from "./gradient-norm.js";
export { lossAndGradients, type LossAndGradients } from "./gradients.js";
export {
  checkLoopSettings,
  disposeTrainState,
  initialTrainState,
  optimizerOf,
  trainLoop,
  type LoopSettings,
  type Task,
  type TrainState,
  type TrainStep,
} from "./loop.js";
export { blockOptimizer, type BlockOptimizer, type BlockOptimizerSettings } from "./muon-beside-adamw.js";
export { muon, muonDefaults, type MuonPieces, type MuonSettings, type MuonState } from "./muon.js";
export { learningRateAt, type ScheduleSettings } from "./schedule.js";
export {
  chain,
  partition,
  type Optimizer,
  type OptimizerChange,
  type OptimizerStep,
  type TensorMaker,
  type Transform,
  type TransformStates,
} from "./transform.js";

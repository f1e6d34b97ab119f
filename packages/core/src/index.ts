// Clips: the tensors that models see and the bytes that videos hold.
export {
  byteFromModelRange,
  bytesFromModelRange,
  checkRgbClip,
  clipFromRgb,
  modelRangeFromByte,
  modelRangeOfBytes,
  rgbFromClip,
  type Clip,
  type Rectangle,
  type RgbClip,
  type RgbFrame,
} from "./clip.js";

// Trees of tensors: the parameters of a model.
export {
  disposeTree,
  treeEntries,
  treeFromLeaves,
  treeLeaves,
  treeMap,
  treeSize,
  type TensorTree,
  type Tree,
} from "./tree.js";

// Checkpoints: configuration and weights in one file.
export {
  checkpointKind,
  checkpointMetadata,
  loadCheckpoint,
  openCheckpoint,
  saveCheckpoint,
  type Checkpoint,
  type CheckpointContent,
  type CheckpointFile,
  type ExpectedCheckpoint,
  type LoadOptions,
} from "./checkpoint/checkpoint.js";
export { assignStrict, nestTensors, type AssignOptions, type ExpectedShapes } from "./checkpoint/assign.js";

// Safetensors files, and the interface of tensor files of any format.
export { openSafetensors, type SafetensorsFile } from "./checkpoint/safetensors-read.js";
export {
  bytesPerElement,
  type SafetensorsEntry,
  type SafetensorsHeader,
  type SafetensorsType,
} from "./checkpoint/safetensors-header.js";
export {
  encodeSafetensors,
  type EncodeOptions,
  type FloatStorage,
  type NamedBytes,
  type NamedTensor,
} from "./checkpoint/safetensors-write.js";
export { renamedTensors, type TensorFacts, type TensorFile, type TensorType } from "./checkpoint/tensor-file.js";
export { checkRange, rangeSource, sourceName, type RangeSource } from "./checkpoint/range-source.js";

// Checks that numbers are finite.
export { areFinite, checkFiniteWeights } from "./checkpoint/finite.js";

// Weights stored in fewer bits.
export { floatFromHalf } from "./checkpoint/half.js";
export { floatWeights, int8Weights } from "./checkpoint/int8.js";
export { floatsOf, readFloats } from "./checkpoint/numbers.js";

// Configurations and options: checks, and the message for an unknown name.
export {
  checkChoice,
  checkGroup,
  checkInteger,
  checkKnownKeys,
  checkNumber,
  nearestName,
  suggest,
  withOverrides,
  type Json,
} from "./config.js";
export { checkOptions, longCallOptionNames, pickOptions, type OptionNames } from "./options.js";
export { checkDivides, checkShape, formatShape } from "./shape.js";

// Errors and long calls.
export {
  CoordTokError,
  isCoordTokError,
  messageOf,
  throwIfAborted,
  type ErrorCode,
  type NamedOptions,
  type Remedy,
} from "./errors.js";
export { macrotask, type LongCallOptions, type Notices, type OnProgress, type ProgressEvent } from "./progress.js";

// Randomness from a seed.
export { Random, type RandomState } from "./random.js";

// The interface of a perceptual loss.
export type { PerceptualLoss } from "./perceptual.js";

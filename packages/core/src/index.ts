export { areFinite, checkFiniteWeights } from "./checkpoint/finite.js";
export {
  assignStrict,
  checkTensorNames,
  nestTensors,
  type AssignOptions,
  type ExpectedShapes,
} from "./checkpoint/assign.js";
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
export { bfloatFromFloat, floatFromBfloat, floatFromHalf, halfFromFloat } from "./checkpoint/half.js";
export { floatWeights, int8Weights } from "./checkpoint/int8.js";
export { checkRange, rangeSource, sourceName, type RangeSource } from "./checkpoint/range-source.js";
export {
  bytesPerElement,
  type SafetensorsEntry,
  type SafetensorsHeader,
  type SafetensorsType,
} from "./checkpoint/safetensors-header.js";
export { openSafetensors, type SafetensorsFile } from "./checkpoint/safetensors-read.js";
export { floatsOf, readFloats } from "./checkpoint/numbers.js";
export {
  bytesOfFloats,
  encodeSafetensors,
  type EncodeOptions,
  type FloatStorage,
  type NamedBytes,
  type NamedTensor,
} from "./checkpoint/safetensors-write.js";
export { renamedTensors, type TensorFacts, type TensorFile, type TensorType } from "./checkpoint/tensor-file.js";
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
export {
  CoordTokError,
  isCoordTokError,
  messageOf,
  throwIfAborted,
  type ErrorCode,
  type NamedOptions,
  type Remedy,
} from "./errors.js";
export type { PerceptualLoss } from "./perceptual.js";
export { macrotask, type LongCallOptions, type Notices, type OnProgress, type ProgressEvent } from "./progress.js";
export { Random, type RandomState } from "./random.js";
export { checkDivides, checkShape, formatShape } from "./shape.js";
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
export { inferenceMemory, trainingMemory, type MemoryEstimate } from "./memory-estimate.js";
export { isRecording, operation, type Save } from "./nn/operation.js";
export { affineOfEach } from "./nn/fused/affine.js";
export { productOfEach } from "./nn/product.js";
export { backendTraits, registerBackendTraits, type BackendTraits } from "./nn/traits.js";
export { crossAttention, maskedKey, maxLogits, selfAttention, type KeyBias } from "./nn/attention.js";
export type {
  FusedAttributes,
  FusedAttributeType,
  FusedDescription,
  FusedInputs,
  FusedOutput,
  FusedOutputs,
  FusedTable,
  FusedTensor,
} from "./nn/fused/description.js";
export type { LayerOperations } from "./nn/fused/fused-operations.js";
export { hasFused, runFused, type FusedName, type FusedOperation, type FusedTables } from "./nn/fused/kernels.js";
export { addTable, gatherRows } from "./nn/embedding.js";
export { randomInitializer, shapeInitializer, type Initializer } from "./nn/init.js";
export { createLayerNorm, layerNorm, type LayerNormParams } from "./nn/layer-norm.js";
export { createLinear, linear, type LinearParams } from "./nn/linear.js";
export { meanSquaredErrors, meanSquaredErrorSum } from "./nn/loss.js";
export { createMlp, gelu, mlp, type GeluForm, type MlpParams } from "./nn/mlp.js";
export { patchify, unpatchify, type PatchSize } from "./nn/patchify.js";
export {
  createMemoryBlock,
  createTransformerBlock,
  memoryBlock,
  transformerBlock,
  type BlockOptions,
  type CrossAttentionParams,
  type MemoryBlockParams,
  type SelfAttentionParams,
  type TransformerBlockParams,
} from "./nn/transformer-block.js";

// The blocks of a transformer and their layers.
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
} from "./transformer-block.js";
export { transformerInPieces, type PiecesOptions } from "./transformer-pieces.js";
export { crossAttention, maskedKey, maxLogits, selfAttention, type KeyBias } from "./attention.js";
export { createMlp, gelu, mlp, type GeluForm, type MlpParams } from "./mlp.js";
export { createLayerNorm, layerNorm, type LayerNormParams } from "./layer-norm.js";
export { createLinear, linear, type LinearParams } from "./linear.js";
export { addTable, gatherRows } from "./embedding.js";
export { patchify, unpatchify, type PatchSize } from "./patchify.js";

// Initializers: random parameters, and shapes without numbers.
export { randomInitializer, shapeInitializer, type Initializer } from "./init.js";

// Losses.
export { meanSquaredErrors, meanSquaredErrorSum } from "./loss.js";

// Building blocks of layers with a gradient of their own.
export { areWeightsFixed, data, isRecording, operation, withFixedWeights, type Save } from "./operation.js";
export { affineOfEach } from "./fused/affine.js";
export { productOfEach } from "./product.js";

// Traits of the backend in use, and its fused operations.
export { backendTraits, registerBackendTraits, type BackendTraits } from "./traits.js";
export { hasFused, runFused, type FusedName, type FusedOperation, type FusedTables } from "./fused/kernels.js";
export type { LayerOperations } from "./fused/fused-operations.js";
export type {
  FusedAttributes,
  FusedAttributeType,
  FusedDescription,
  FusedInputs,
  FusedOutput,
  FusedOutputs,
  FusedTable,
  FusedTensor,
} from "./fused/description.js";

// Estimates of memory.
export { inferenceMemory, trainingMemory, type MemoryEstimate } from "./memory-estimate.js";

// The blocks of a transformer and what they are made of.
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
export { crossAttention, maskedKey, maxLogits, selfAttention, type KeyBias } from "./attention.js";
export { createMlp, gelu, mlp, type GeluForm, type MlpParams } from "./mlp.js";
export { createLayerNorm, layerNorm, type LayerNormParams } from "./layer-norm.js";
export { createLinear, linear, type LinearParams } from "./linear.js";
export { addTable, gatherRows } from "./embedding.js";
export { patchify, unpatchify, type PatchSize } from "./patchify.js";

// Fresh parameters, and shapes without numbers.
export { randomInitializer, shapeInitializer, type Initializer } from "./init.js";

// Losses.
export { meanSquaredErrors, meanSquaredErrorSum } from "./loss.js";

// What layers with a gradient of their own are written with.
export { areWeightsFixed, data, isRecording, operation, withFixedWeights, type Save } from "./operation.js";
export { affineOfEach } from "./fused/affine.js";
export { productOfEach } from "./product.js";

// What the backend in use is good at, and its fused operations.
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

// The memory that computing with parameters takes.
export { inferenceMemory, trainingMemory, type MemoryEstimate } from "./memory-estimate.js";

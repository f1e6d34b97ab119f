export { CoordTok } from "./coordtok.js";
export {
  openTokenizer,
  type AnyTokenizer,
  type AnyTokenizerConfig,
  type OpenTokenizerOptions,
} from "./open-tokenizer.js";
export {
  queryGrid,
  queryPatchSize,
  checkConfig,
  latticeOf,
  overrideConfig,
  triplaneShapeOf,
  videoTokenCount,
  type ClipSize,
  type DecoderConfig,
  type EncoderConfig,
  type PlanesConfig,
  type TokenizerConfig,
} from "./config.js";
export { preset, presetNames } from "./presets.js";
export {
  createDecoderParams,
  createEncoderParams,
  createParams,
  paramShapes,
  type DecoderParams,
  type EncoderParams,
  type TokenizerParams,
  type VideoTransformerParams,
} from "./params.js";
export { estimateMemory, type MemoryWork } from "./memory.js";
export { encode } from "./encoder.js";
export { decodePatches } from "./coordinate-decoder.js";
export { decode, defaultSliceSize, type DecodeOptions } from "./decode.js";
export {
  checkpointKind,
  decoderShapes,
  encodeTokenizer,
  encodeTokenizerBytes,
  loadTokenizer,
  type LoadedTokenizer,
  type LoadFormOptions,
  type LoadTokenizerOptions,
  type TokenizerPart,
  type WeightsChoice,
} from "./checkpoint.js";
export { checkLatticeConfig, latticeBlock, paddedSize, type FrameSize, type LatticeConfig } from "./lattice/config.js";
export {
  createLatticeParams,
  latticeParamShapes,
  type LatticeDecoderParams,
  type LatticeEncoderParams,
  type LatticeParams,
  type LatticeVideoParams,
} from "./lattice/params.js";
export { padToBlocks } from "./lattice/padding.js";
export { encodeLattice } from "./lattice/encoder.js";
export { keepChannels, type Budget } from "./lattice/budget.js";
export { decodeBlocks } from "./lattice/block-decoder.js";
export { decodeLattice, type LatticeDecodeOptions } from "./lattice/decode.js";
export {
  latticeConfigFromReference,
  latticeFromStateDict,
  latticeRows,
  latticeStateDictShapes,
  stateDictFromLattice,
  type ReferenceConfig,
} from "./lattice/state-dict.js";
export { estimateLatticeMemory, type LatticeMemoryWork } from "./lattice/memory.js";
export { LatticeCoordTok } from "./lattice/lattice-coordtok.js";
export {
  convertReference,
  encodeLatticeCheckpoint,
  loadLattice,
  type EncodeLatticeOptions,
  type LoadedLattice,
  type LoadLatticeOptions,
  type WeightStorage,
} from "./lattice/checkpoint.js";

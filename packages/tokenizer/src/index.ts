export { CoordTok } from "./coordtok.js";
export {
  cellGrid,
  cellSize,
  checkConfig,
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
export { decode, defaultSliceSize, latticeOf, type DecodeOptions } from "./decode.js";
export {
  checkpointKind,
  decoderShapes,
  encodeTokenizer,
  encodeTokenizerBytes,
  loadTokenizer,
  type LoadedTokenizer,
  type LoadTokenizerOptions,
  type TokenizerPart,
  type WeightsChoice,
} from "./checkpoint.js";

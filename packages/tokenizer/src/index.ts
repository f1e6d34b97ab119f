// The handles that most programs need.
export { CoordTok } from "./coordtok.js";
export { LatticeCoordTok } from "./lattice/lattice-coordtok.js";
export {
  formOfConfig,
  openTokenizer,
  type AnyTokenizer,
  type AnyTokenizerConfig,
  type OpenTokenizerOptions,
} from "./open-tokenizer.js";
export { defaultSliceSize, type DecodeOptions } from "./decode.js";
export type { Budget } from "./lattice/budget.js";
export type { LatticeDecodeOptions } from "./lattice/decode.js";
// The form of a model.
export {
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
export { checkLatticeConfig, type LatticeConfig } from "./lattice/config.js";
export { latticePreset, latticePresetNames, overrideLatticeConfig } from "./lattice/presets.js";
export { preset, presetNames } from "./presets.js";
export { estimateMemory, type MemoryWork } from "./memory.js";
// Checkpoint files.
export {
  checkpointKind,
  encodeFormBytes,
  encodeTokenizer,
  encodeTokenizerBytes,
  loadTokenizer,
  type LoadedTokenizer,
  type LoadFormOptions,
  type LoadTokenizerOptions,
  type TokenizerPart,
  type WeightsChoice,
} from "./checkpoint.js";
export type { LoadLatticeOptions } from "./lattice/checkpoint.js";

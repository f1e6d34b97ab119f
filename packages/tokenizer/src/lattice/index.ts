// The lattice form as pure functions of its parameters.
export { padToBlocks } from "./padding.js";
export { encodeLattice } from "./encoder.js";
export { keepChannels } from "./budget.js";
export { decodeLattice } from "./decode.js";
export { decodeBlocks } from "./block-decoder.js";
export { latticeBlock, paddedSize, type FrameSize } from "./config.js";
export { estimateLatticeMemory, type LatticeMemoryWork } from "./memory.js";
// The parameters.
export {
  createLatticeParams,
  latticeParamShapes,
  type LatticeDecoderParams,
  type LatticeEncoderParams,
  type LatticeParams,
  type LatticeVideoParams,
} from "./params.js";
// Checkpoint files.
export {
  encodeLatticeCheckpoint,
  loadLattice,
  type EncodeLatticeOptions,
  type LoadedLattice,
  type WeightStorage,
} from "./checkpoint.js";
// The weights of the PyTorch reference.
export { convertReference } from "./checkpoint.js";
export {
  latticeConfigFromReference,
  latticeFromStateDict,
  latticeRows,
  latticeStateDictShapes,
  referenceFromLatticeConfig,
  stateDictFromLattice,
  type ReferenceConfig,
} from "./state-dict.js";

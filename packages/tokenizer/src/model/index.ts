// The paper's form as pure functions of its parameters; the other form is in `/lattice`.
export { encode } from "../encoder.js";
export { decode } from "../decode.js";
export { decodePatches } from "../coordinate-decoder.js";
export { latticeOf } from "../config.js";
// The parameters.
export {
  createDecoderParams,
  createEncoderParams,
  createParams,
  paramShapes,
  type DecoderParams,
  type EncoderParams,
  type TokenizerParams,
  type VideoTransformerParams,
} from "../params.js";
export { decoderShapes } from "../checkpoint.js";

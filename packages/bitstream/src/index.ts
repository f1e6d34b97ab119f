// Planes as whole numbers.
export { dequantize, largestCode, quantize, type QuantizeOptions, type TriplaneCodes } from "./quantize.js";
// Their files.
export { codedBytes, encodeBitstream, type BitstreamWindow, type EncodeBitstreamOptions } from "./write.js";
export { readBitstream, type Bitstream, type ReadWindowOptions, type StoredWindow } from "./read.js";
// Films in them.
export {
  codedFilmFacts,
  openCodedFilm,
  type CodedFilm,
  type CodedFilmFacts,
  type ReadCodedWindowOptions,
  type WindowCoding,
} from "./film.js";
export { isBitstream } from "./read.js";
export type { StoredPiece } from "./format.js";
export type { PriorsName } from "./priors.js";
export type { ChannelBudget, PieceRange, WindowLayout } from "./window-coder.js";

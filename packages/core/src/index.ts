export {
  byteFromModelRange,
  checkRgbClip,
  clipFromRgb,
  modelRangeFromByte,
  modelRangeOfBytes,
  rgbFromClip,
  type Clip,
  type RgbClip,
  type RgbFrame,
} from "./clip.js";
export {
  checkChoice,
  checkInteger,
  checkKnownKeys,
  checkNumber,
  nearestName,
  suggest,
  withOverrides,
  type Json,
} from "./config.js";
export { CoordTokError, isCoordTokError, messageOf, throwIfAborted, type ErrorCode } from "./errors.js";
export type { PerceptualLoss } from "./perceptual.js";
export type { LongCallOptions, OnProgress, ProgressEvent } from "./progress.js";
export { Random, type RandomState } from "./random.js";
export { checkDivides, checkShape, formatShape } from "./shape.js";
export { disposeTree, treeEntries, treeFromLeaves, treeLeaves, treeMap, treeSize, type TensorTree } from "./tree.js";
export { backendTraits, registerBackendTraits, type BackendTraits } from "./nn/traits.js";

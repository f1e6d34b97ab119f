// The form of a published model.
export { configFromOfficial, isOfficialArguments, officialFromConfig, type OfficialArguments } from "./config.js";
export {
  configFromOfficialShapes,
  hintsFromArguments,
  isOfficialLoss,
  isOfficialTokenizer,
  partOfOfficialName,
  type InferOptions,
} from "./infer.js";
// Its weights.
export { officialRows, officialShapes } from "./rows.js";
export { officialFromParams, paramsFromOfficial } from "./params.js";
// Its behaviour.
export { decodeOfficial, type OfficialDecodeOptions } from "./decode.js";

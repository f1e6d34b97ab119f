// The form of a published model.
export { configFromOfficial, isOfficialArguments, officialFromConfig, type OfficialArguments } from "./config.js";
export { configFromOfficialShapes, hintsFromArguments, isOfficialSiT, type InferOptions } from "./infer.js";
// Its weights.
export { officialRows, officialShapes } from "./rows.js";
export { checkOfficialPositions, officialPositions } from "./positions.js";
export { officialFromParams, paramsFromOfficial } from "./params.js";

export { formBounds } from "../config.js";
export { checkBackend, checkClip, givenText } from "./given.js";
export { checkPart, partInName, partName, partText, type Part } from "./part.js";
export { checkStored } from "./stored.js";
export { isSameSource, sourceIdentitySchema, type SourceIdentity } from "./source-identity.js";

export { bytesText, countText, durationText, groupedText, tableText } from "./text.js";
export { plainText } from "./plain-text.js";
export { asJson, jsonText, parseJson, parseStoredJson, shownJson } from "./json.js";
export { addressText, webAddress } from "./address.js";

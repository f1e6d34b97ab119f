export { bytesText, countText, durationText, groupedText, tableText } from "./text.js";
export { asJson, jsonText, parseJson } from "./json.js";

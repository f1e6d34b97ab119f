export { bytesText, countText, durationText, groupedText, tableText } from "./text.js";
export { jsonText, parseJson } from "./json.js";

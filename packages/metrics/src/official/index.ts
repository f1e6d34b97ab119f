export { truncatedBytes, unitFromByte, unitFromModelRange } from "./eight-bit.js";

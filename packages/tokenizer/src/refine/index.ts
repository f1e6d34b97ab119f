// Planes improved with the decoder fixed.
export { refine, type Refinement, type RefineOptions } from "./refine.js";
export type { RefineRounding } from "./rounding.js";

export { pinnedTensorflow, type SetupWishes } from "./plan.js";
export { setupTensorflow } from "./setup.js";
export type { SetupOptions, SetupReport } from "./options.js";

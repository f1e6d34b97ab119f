export { pinnedTensorflow, setupTensorflow, type SetupOptions, type SetupReport } from "./setup.js";

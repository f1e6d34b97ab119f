export { backendCatalogue, backendRow, type BackendName, type BackendRow } from "./catalogue.js";
export { loadBackend, type LoadBackendOptions, type LoadedBackend } from "./load.js";
export {
  backendOptionNames,
  backendText,
  namedPrecision,
  prepareBackend,
  type BackendChoice,
  type BackendOptions,
} from "./prepare.js";
export type { FusedState } from "./fused/state.js";
export type { GpuAdapter } from "./webgpu/device.js";
export type { Precision } from "./precision.js";
export { missingKernels, requiredKernels, type Purpose } from "./requirements.js";

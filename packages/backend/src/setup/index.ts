export {
  checkFfmpegSetup,
  ffmpegSetupOptionNames,
  isFfmpegWheel,
  setupFfmpeg,
  type FfmpegSetupOptions,
  type FfmpegSetupReport,
} from "./ffmpeg.js";
export { pinnedTensorflow, type SetupWishes } from "./plan.js";
export { setupOptionNames, setupTensorflow } from "./setup.js";
export type { SetupOptions, SetupReport } from "./options.js";
export {
  describeSetup,
  doctorReport,
  type BackendFinding,
  type DoctorReport,
  type Finding,
  type SetupDescription,
} from "./doctor.js";
export type { Installation } from "../node/installation.js";

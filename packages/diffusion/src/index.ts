export {
  checkConfig,
  classRows,
  hiddenWidth,
  overrideConfig,
  timePositionGrid,
  tokenGrid,
  tokensOf,
  tokenValues,
  type SiTConfig,
} from "./config.js";
export { preset, presetNames, type PresetOptions } from "./presets.js";

export { clipFromFrames, framesFromClip, rgbClipFromFrames, type ClipOptions, type RgbFrames } from "./clip.js";
export { planFrames } from "./frame-plan.js";
export { centreCrop, resizeSize } from "./geometry.js";
export { enlarge, paste } from "./picture.js";
export { fitFrame, resizeRgb, type RgbPicture } from "./resize.js";
export {
  damagedPolicies,
  type DamagedPolicy,
  type FramePlan,
  type FrameRange,
  type FrameSize,
  type ResizeMode,
  type VideoColour,
  type VideoInfo,
  type VideoPixels,
} from "./types.js";
export { syntheticClip, type SyntheticClipOptions } from "./synthetic-clip.js";

export {
  frameFromPicture,
  frameFromRgba,
  type FrameFromPictureOptions,
  type RgbaPicture,
  type WebPicture,
} from "./frame.js";
export { framesFromVideo, type FramesFromVideoOptions } from "./video-frames.js";

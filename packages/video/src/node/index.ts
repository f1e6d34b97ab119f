export {
  availableCodecs,
  clipCodecs,
  codeClip,
  codecMade,
  type ClipCodec,
  type CodeClipOptions,
  type CodecResult,
  type CodecSetting,
} from "./code-clip.js";
export { countFrames, type CountOptions, type FrameCount } from "./count-frames.js";
export {
  describeFfmpeg,
  ffmpegOptionNames,
  findFfmpeg,
  type Ffmpeg,
  type FfmpegOptions,
  type FfmpegReport,
  type FoundProgram,
  type ProgramCandidate,
  type ProgramSource,
} from "./find-ffmpeg.js";
export { findPictures, findVideos } from "./find-videos.js";
export { missingBytes } from "./missing-bytes.js";
export { encodePng } from "./png.js";
export { probe, probeOptionNames, type ProbeOptions } from "./probe.js";
export { readClip, type ReadClip, type ReadClipOptions } from "./read-clip.js";
export { readFrames, type ReadOptions } from "./read-frames.js";
export type { VideoFormat, VideoQuality } from "./encoders.js";
export { prepareWriteVideo, writeVideo, type WriteVideoOptions, type WrittenVideo } from "./write-video.js";
export type { VideoSound } from "./sound.js";
export { writeH264Within, type WriteWithinOptions, type WrittenWithin } from "./write-within.js";
export {
  bytesPerWorker,
  defaultWorkers,
  openWindowLoader,
  windowLoaderOptionNames,
  type WindowLoader,
  type WindowLoaderOptions,
} from "./windows/window-loader.js";
export type { WindowFrames, WindowRequest } from "./windows/window-reader.js";

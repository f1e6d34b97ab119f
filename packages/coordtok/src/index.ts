export { encodeVideo, type EncodeReport, type EncodeVideoOptions } from "./clip/encode-video.js";
export type { VideoInput } from "./clip/video-input.js";
export { decodeToVideo, type DecodeReport, type DecodeToVideoOptions } from "./clip/decode-to-video.js";
export {
  reconstructVideo,
  type ReconstructFiles,
  type ReconstructReport,
  type ReconstructVideoOptions,
} from "./clip/reconstruct-video.js";
export {
  forecastOnVideos,
  trainOnVideos,
  type TrainOnVideosOptions,
  type TrainReport,
  type VideosForecast,
} from "./train/train-on-videos.js";
export type { TrainingForecast } from "./train/forecast.js";
export type { SkippedVideo } from "./train/training-videos.js";
export { encodeDataset, type EncodeDatasetOptions, type EncodeDatasetReport } from "./latents/encode-dataset.js";
export type { ListSource } from "./latents/list-lines.js";
export { openLatents, type Latents, type ReadLatentsOptions } from "./latents/open-latents.js";
export type { LatentIndex } from "./latents/index-file.js";
export type { Labels } from "./latents/dataset-videos.js";
export { trainOnLatents, type TrainLatentsReport, type TrainOnLatentsOptions } from "./train/train-on-latents.js";
export { sampleVideos, type SampleReport, type SampleVideosOptions } from "./sample/sample-videos.js";
export { stripPicture } from "./pictures/strip.js";
export { runDemo, type DemoOptions, type DemoSummary } from "./train/train-demo.js";
export { runStarterDemo, type StarterDemoOptions, type StarterDemoSummary } from "./starter-demo.js";
export { convertFile, type ConvertKind, type ConvertOptions, type ConvertReport } from "./convert/convert.js";
export type { ForeignWeights, WeightsFacts } from "./convert/describe.js";
export {
  describeFile,
  type CodingFacts,
  type FileDescription,
  type ModelFacts,
  type PieceFacts,
} from "./inspect/describe-file.js";
export { examine, type Examination } from "./inspect/doctor.js";
export {
  readTriplane,
  writeTriplane,
  type ReadTriplane,
  type TriplaneFacts,
  type WriteTriplaneOptions,
} from "./clip/triplane-file.js";
export type { CommonOptions } from "./model.js";
export { CoordTok, Generator } from "./models/from-pretrained.js";
export type {
  PretrainedGeneratorOptions,
  PretrainedTokenizerOptions,
  RoundingOption,
} from "./models/load-pretrained.js";
export { knownModels, type KnownModel } from "./models/known-models.js";
export {
  clearModels,
  listModels,
  type ClearedModels,
  type ClearModelsOptions,
  type ListedModel,
  type ModelList,
} from "./models/kept-models.js";
export { pullModel, type ModelOptions, type PulledModel } from "./models/pull-model.js";
export { resolveModel } from "./models/resolve-model.js";
export type { LatticeOptions, WindowFrames } from "./clip/lattice-settings.js";
export {
  decodeFilm,
  decodeStream,
  encodeClipToBytes,
  encodeStream,
  openAnyFilm,
  tokenizerForm,
  type CodedClip,
  type CodingQuality,
  type ComposeOptions,
  type DecodeFilmOptions,
  type DecodeStreamOptions,
  type EncodeClipToBytesOptions,
  type EncodeStreamOptions,
  type FilmDecoder,
  type FilmRefineOptions,
  type FilmSplit,
  type FitOptions,
  type FrameFit,
  type FramePixels,
  type OpenedFilm,
  type StepOptions,
  type TriplaneWindow,
} from "./film/index.js";
export type { WindowOptions } from "./clip/source-clip.js";
export { curveSvg, curvePicture, type CurvePoint } from "./pictures/curve.js";
export { planesPicture } from "./pictures/planes.js";
export { sideBySide } from "./pictures/side-by-side.js";

export { encodeVideo, type EncodeReport, type EncodeVideoOptions } from "./encode-video.js";
export { decodeToVideo, type DecodeReport, type DecodeToVideoOptions } from "./decode-to-video.js";
export {
  reconstructVideo,
  type ReconstructFiles,
  type ReconstructReport,
  type ReconstructVideoOptions,
} from "./reconstruct-video.js";
export { trainOnVideos, type TrainOnVideosOptions, type TrainReport } from "./train-on-videos.js";
export { encodeDataset, type EncodeDatasetOptions, type EncodeDatasetReport } from "./encode-dataset.js";
export { openLatents, type Latents, type ReadLatentsOptions } from "./latents/open-latents.js";
export type { LatentIndex } from "./latents/index-file.js";
export type { Labels } from "./latents/dataset-videos.js";
export { trainOnLatents, type TrainLatentsReport, type TrainOnLatentsOptions } from "./train-on-latents.js";
export { sampleVideos, type SampleReport, type SampleVideosOptions } from "./sample-videos.js";
export { stripPicture } from "./pictures/strip.js";
export { runDemo, type DemoOptions, type DemoSummary } from "./demo.js";
export { convertFile, type ConvertKind, type ConvertOptions, type ConvertReport } from "./convert/convert.js";
export type { ForeignWeights, WeightsFacts } from "./convert/describe.js";
export { describeFile, type FileDescription, type ModelFacts } from "./describe-file.js";
export { examine, type Examination } from "./doctor.js";
export { syntheticClip, type SyntheticClipOptions } from "./synthetic-clip.js";
export {
  readTriplane,
  writeTriplane,
  type ReadTriplane,
  type TriplaneFacts,
  type WriteTriplaneOptions,
} from "./triplane-file.js";
export { loadModel, type BackendChoice, type CommonOptions } from "./model.js";
export type { WindowOptions } from "./source-clip.js";
export { curveSvg, curvePicture, type CurvePoint } from "./pictures/curve.js";
export { planesPicture } from "./pictures/planes.js";
export { encodePng, type RgbPicture } from "./pictures/raster.js";
export { sideBySide } from "./pictures/side-by-side.js";
export {
  evaluateGeneration,
  evaluateReconstruction,
  mergeEvaluations,
  protocolNames,
  protocolOf,
  type ClipRecord,
  type Correlation,
  type EvaluateOptions,
  type EvaluateReconstructionOptions,
  type EvaluationEnvironment,
  type EvaluationFiles,
  type EvaluationReport,
  type EvaluationSettings,
  type EvaluationTask,
  type FrameCurve,
  type FrameMeasureName,
  type FvdReport,
  type LeftOut,
  type NamedProtocol,
  type Protocol,
  type ProtocolName,
  type SanityRecord,
  type SanityRow,
  type Scores,
  type SetRecord,
  type Shard,
  type ShortRecord,
  type SideSettings,
  type UsedFile,
  type WrittenEvaluation,
} from "./evaluate/index.js";

export { disposeLpipsParams, lpipsParamsFromStateDict, type LpipsParams, type NamedTensors } from "./lpips/params.js";
export {
  lpips,
  lpipsDropoutMasks,
  lpipsFeatures,
  lpipsPerLayer,
  perceptualLoss,
  type LpipsOptions,
  type PerceptualLossOptions,
} from "./lpips/lpips.js";
export type { ConvolutionParams } from "./convolution.js";
export type { Convolutions } from "./lpips/features.js";
export type { LpipsNetworkName } from "./lpips/networks.js";
export { psnr, psnrOfRgb, psnrPerFrame, type PsnrOptions, type RgbPsnr } from "./psnr.js";
export { truncatedBytes, unitFromByte, unitFromModelRange } from "./eight-bit.js";
export { msSsimPerFrame, ssimPerFrame, type SsimOptions } from "./ssim.js";
export { framePairs, framesOf, type FrameSource } from "./frames.js";
export { collectStatistics, FeatureWindows, fvdFeatures, type FvdFeatureOptions } from "./fvd/features.js";
export { frechetDistance, type FrechetDistance } from "./fvd/frechet.js";
export { i3d, i3dEndPoints, type I3dOutput } from "./fvd/i3d.js";
export { randomI3dParams } from "./fvd/random-i3d.js";
export { disposeI3dParams, i3dParamsFromStateDict, i3dWeightShapes, type I3dParams } from "./fvd/i3d-params.js";
export type { Convolution3dParams } from "./fvd/convolution3d.js";
export { fvdPreprocess } from "./fvd/preprocess.js";
export {
  covarianceOf,
  decodeStatistics,
  emptyStatistics,
  encodeStatistics,
  mergeStatistics,
  statisticsOf,
  type PooledStatistics,
  type StatisticsFacts,
} from "./fvd/statistics.js";
export { ContentMeter, contentOf, type ContentScores } from "./content.js";
export { pearson, spearman } from "./correlation.js";
export { SeamMeter, seamScore, type SeamOptions, type SeamScore } from "./seam.js";
export { ClipScorer, scoreClip, type ClipScores, type FrameScores, type ScoreOptions } from "./score.js";
export { summarize, type Summary } from "./summary.js";
export { squeezenetFromNcnn } from "./lpips/squeezenet-ncnn.js";
export {
  i3dWeightFile,
  lpipsWeightFiles,
  lpipsWeightsNames,
  type LpipsWeightsName,
  type WeightFile,
} from "./weights.js";
export type { MetricsOperations } from "./fused-operations.js";

// Comparison of two clips.
export { ClipScorer, scoreClip, type ClipScores, type FrameScores, type ScoreOptions } from "./score.js";
export {
  psnr,
  psnrOfErrors,
  psnrOfRgb,
  psnrPerFrame,
  squaredErrorSum,
  type PsnrOptions,
  type RgbPsnr,
} from "./psnr.js";
export { msSsimPerFrame, ssimPerFrame, type SsimOptions } from "./ssim.js";
export { lpips, perceptualLoss, type LpipsOptions, type PerceptualLossOptions } from "./lpips/lpips.js";
export { framePairs, framesOf, type FrameSource } from "./frames.js";
// Measures of a single clip.
export { ContentMeter, contentOf, type ContentScores } from "./content.js";
export { SeamMeter, seamScore, type SeamBorders, type SeamOptions, type SeamScore } from "./seam.js";
// Yardsticks: what simpler representations make of a clip with as many numbers.
export { ClipDct, dctOrder } from "./yardsticks/dct.js";
export { Downsampler, pooledClip, smallSizeFor, type SmallSize } from "./yardsticks/pooling.js";
// Statistics over a set of clips.
export { summarize, type Summary } from "./summary.js";
export { pearson, spearman } from "./correlation.js";
// Comparison of two sets of clips.
export { collectStatistics, FeatureWindows, fvdFeatures, type FvdFeatureOptions } from "./fvd/features.js";
export { frechetDistance, type FrechetDistance } from "./fvd/frechet.js";
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
// Files of published weights.
export {
  i3dWeightFile,
  lpipsWeightFiles,
  lpipsWeightsNames,
  type LpipsWeightsName,
  type WeightFile,
} from "./weights.js";
export type { MetricsOperations } from "./fused-operations.js";

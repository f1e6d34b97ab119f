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
export type { ConvolutionParams, Convolutions } from "./lpips/features.js";
export type { LpipsNetworkName } from "./lpips/networks.js";
export { psnr, psnrOfRgb, psnrPerFrame, type PsnrOptions, type RgbPsnr } from "./psnr.js";

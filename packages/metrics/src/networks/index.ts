// LPIPS.
export { disposeLpipsParams, lpipsParamsFromStateDict, type LpipsParams, type NamedTensors } from "../lpips/params.js";
export { lpipsDropoutMasks, lpipsFeatures, lpipsPerLayer } from "../lpips/lpips.js";
export type { ConvolutionParams } from "../convolution.js";
export type { Convolutions } from "../lpips/features.js";
export type { LpipsNetworkName } from "../lpips/networks.js";
export { squeezenetFromNcnn } from "../lpips/squeezenet-ncnn.js";
// I3D.
export { i3d, i3dEndPoints, type I3dOutput } from "../fvd/i3d.js";
export { disposeI3dParams, i3dParamsFromStateDict, i3dWeightShapes, type I3dParams } from "../fvd/i3d-params.js";
export type { Convolution3dParams } from "../fvd/convolution3d.js";
export { fvdPreprocess } from "../fvd/preprocess.js";
export { randomI3dParams } from "../fvd/random-i3d.js";

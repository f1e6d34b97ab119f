import { getKernelsForBackend } from "@tensorflow/tfjs-core";

/** What a backend is wanted for: training needs more kernels. */
export type Purpose = "inference" | "training";

/** What encoding, decoding and scoring run; found by recording them on tensorflow, wasm and cpu. */
const inferenceKernels = [
  ...["Add", "BatchMatMul", "Cast", "Concat", "Erf", "Exp", "FusedConv2D", "GatherV2", "Identity", "MaxPool", "Mean"],
  ...["Multiply", "PadV2", "RealDiv", "Reshape", "Rsqrt", "Slice", "Softmax", "Sqrt", "Square", "Sub", "Sum", "Tile"],
  ...["Transpose", "_FusedMatMul"],
];

/** What the gradients, the optimizer and a perceptual loss run besides. */
const trainingKernels = [
  ...["Abs", "AddN", "ClipByValue", "Conv2DBackpropInput", "Fill", "Greater", "MaxPoolGrad", "Minimum", "Neg"],
  ...["OnesLike", "Pack", "Pow", "Relu", "ScatterNd", "Select", "SplitV", "Step", "Unpack", "ZerosLike"],
];

/** Names of the TensorFlow.js kernels that a purpose needs, as `getKernelsForBackend` of tfjs-core gives them. */
export function requiredKernels(purpose: Purpose): readonly string[] {
  return purpose === "training" ? [...inferenceKernels, ...trainingKernels] : inferenceKernels;
}

/**
 * Which of the kernels that a purpose needs a loaded backend lacks.
 * @param tfName the backend as tfjs-core names it; its kernels must have been registered.
 */
export function missingKernels(tfName: string, purpose: Purpose): string[] {
  const present = new Set(getKernelsForBackend(tfName).map(({ kernelName }) => kernelName));
  return requiredKernels(purpose).filter((kernel) => !present.has(kernel));
}

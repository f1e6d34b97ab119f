import { getKernelsForBackend } from "@tensorflow/tfjs-core";

/** The purpose of a backend; training needs more kernels. */
export type Purpose = "inference" | "training";

/** The kernels of encoding, decoding and scoring, found by recording them on tensorflow, wasm and cpu. */
const inferenceKernels = [
  ...["Add", "BatchMatMul", "Cast", "Concat", "Erf", "Exp", "FusedConv2D", "GatherV2", "Identity", "MaxPool", "Mean"],
  ...["Multiply", "PadV2", "RealDiv", "Reshape", "Rsqrt", "Slice", "Softmax", "Sqrt", "Square", "Sub", "Sum", "Tile"],
  ...["Transpose", "_FusedMatMul"],
];

/** The further kernels of gradients, the optimizer and a perceptual loss. */
const trainingKernels = [
  ...["Abs", "AddN", "ClipByValue", "Conv2DBackpropInput", "Fill", "Greater", "MaxPoolGrad", "Minimum", "Neg"],
  ...["OnesLike", "Pack", "Pow", "Relu", "ScatterNd", "Select", "SplitV", "Step", "Unpack", "ZerosLike"],
];

/** Returns the names of the TensorFlow.js kernels that a purpose needs, as `getKernelsForBackend` of tfjs-core returns them. */
export function requiredKernels(purpose: Purpose): readonly string[] {
  return purpose === "training" ? [...inferenceKernels, ...trainingKernels] : inferenceKernels;
}

/**
 * Returns the kernels that a purpose needs and a loaded backend lacks.
 * @param tfName the name of the backend in tfjs-core; its kernels must have been registered.
 */
export function missingKernels(tfName: string, purpose: Purpose): string[] {
  const present = new Set(getKernelsForBackend(tfName).map(({ kernelName }) => kernelName));
  return requiredKernels(purpose).filter((kernel) => !present.has(kernel));
}

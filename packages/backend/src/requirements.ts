import { getKernelsForBackend } from "@tensorflow/tfjs-core";

/** What a backend is wanted for: training needs more kernels. */
export type Purpose = "inference" | "training";

const inferenceKernels = [
  ...[
    "Add",
    "AddN",
    "BatchMatMul",
    "Cast",
    "ClipByValue",
    "Concat",
    "Cos",
    "Equal",
    "Erf",
    "Exp",
    "ExpandDims",
    "Fill",
    "Floor",
  ],
  ...[
    "GatherV2",
    "Greater",
    "GreaterEqual",
    "Identity",
    "Less",
    "LessEqual",
    "LogicalAnd",
    "Max",
    "Maximum",
    "Mean",
    "Min",
  ],
  ...[
    "Minimum",
    "Multiply",
    "Neg",
    "Pack",
    "PadV2",
    "Pow",
    "Range",
    "RealDiv",
    "Reshape",
    "ResizeBilinear",
    "Rsqrt",
    "Select",
  ],
  ...[
    "Sigmoid",
    "Sin",
    "Slice",
    "Softmax",
    "SplitV",
    "Sqrt",
    "Square",
    "SquaredDifference",
    "StridedSlice",
    "Sub",
    "Sum",
    "Tanh",
  ],
  ...["Tile", "Transpose", "Unpack", "ZerosLike"],
];

const trainingKernels = [
  "Abs",
  "Conv2D",
  "Conv2DBackpropInput",
  "Log",
  "MaxPool",
  "MaxPoolGrad",
  "OneHot",
  "OnesLike",
  "Relu",
  "Step",
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

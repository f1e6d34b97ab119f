import {
  add,
  div,
  mul,
  reshape,
  sqrt,
  sub,
  tidy,
  transpose,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor5D,
} from "@tensorflow/tfjs-core";
import { CoordTokError, disposeTree, formatShape } from "@coordtok/core";
import type { NamedTensors } from "../lpips/params.js";
import type { Convolution3dParams } from "./convolution3d.js";
import { i3dConvolutions, i3dFeatureWidth } from "./i3d-layers.js";

/** The weights of I3D, with each batch normalisation folded into the preceding convolution. Free them with {@link disposeI3dParams}. */
export type I3dParams = {
  /** The convolutions by official name, such as `Mixed_3b.b1b`. */
  readonly convolutions: Readonly<Record<string, Convolution3dParams>>;
  /** The classifier, `[1024, classes]`. */
  readonly classifierKernel: Tensor2D;
  /** `[classes]` */
  readonly classifierBias: Tensor1D;
};

/** The epsilon of every batch normalisation (`docs/spec.md#i3d`). */
const batchNormEpsilon = 1e-5;

const normParts = ["weight", "bias", "running_mean", "running_var"] as const;
/** The names of counts of batches seen in training, which PyTorch stores with each batch normalisation. */
const unused = /\.bn\.num_batches_tracked$/;

/**
 * Makes the weights of InceptionI3d from tensors under their PyTorch names: `<unit>.conv3d.weight`, `<unit>.bn.{weight,bias,running_mean,
 * running_var}`, `logits.conv3d.{weight,bias}`. The number of classes follows from the shapes (400 for Kinetics-400).
 * @param tensors tensors that stay the caller's; kernels are `[out, in, time, rows, columns]`.
 * @returns weights owned by the caller.
 * @throws CoordTokError `checkpoint`, naming what is missing, unknown or of a wrong shape.
 */
export function i3dParamsFromStateDict(tensors: NamedTensors): I3dParams {
  const named: ReadonlyMap<string, Tensor> = new Map(
    Symbol.iterator in tensors ? (tensors as ReadonlyMap<string, Tensor>) : Object.entries(tensors),
  );
  const expected = i3dWeightShapes(named.get("logits.conv3d.weight")?.shape[0]);
  const problems = [
    ...[...expected].flatMap(([name, shape]) => mismatch(name, named.get(name), shape)),
    ...[...named.keys()]
      .filter((name) => !expected.has(name) && !unused.test(name))
      .map((name) => `"${name}" is unknown`),
  ];
  if (problems.length > 0)
    throw new CoordTokError(
      "checkpoint",
      `Expected the weights of InceptionI3d, but ${problems[0]!}${problems.length > 1 ? ` (and ${problems.length - 1} more problems)` : ""}; use a PyTorch port of the Kinetics RGB network.`,
      { details: problems },
    );
  const get = (name: string): Tensor => named.get(name)!;
  const classifier = get("logits.conv3d.weight");
  return {
    convolutions: Object.fromEntries(i3dConvolutions().map(({ name }) => [name, folded(name, get)])),
    classifierKernel: tidy(() => transpose(reshape(classifier, [classifier.shape[0], i3dFeatureWidth]) as Tensor2D)),
    classifierBias: reshape(get("logits.conv3d.bias"), [-1]),
  };
}

/** Frees the weights of I3D. */
export function disposeI3dParams({ convolutions, classifierKernel, classifierBias }: I3dParams): void {
  disposeTree([
    Object.values(convolutions).map(({ kernel, bias }) => [kernel, bias]),
    classifierKernel,
    classifierBias,
  ]);
}

/**
 * Returns the names and shapes that {@link i3dParamsFromStateDict} expects, in the form that `assignStrict` of `@coordtok/core` accepts.
 * @param classes the number of classes of the classifier (default 400, Kinetics-400).
 */
export function i3dWeightShapes(classes = 400): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const { name, size, inputs, outputs } of i3dConvolutions()) {
    shapes.set(`${name}.conv3d.weight`, [outputs, inputs, size, size, size]);
    for (const part of normParts) shapes.set(`${name}.bn.${part}`, [outputs]);
  }
  shapes.set("logits.conv3d.weight", [classes, i3dFeatureWidth, 1, 1, 1]);
  return shapes.set("logits.conv3d.bias", [classes]);
}

function mismatch(name: string, tensor: Tensor | undefined, shape: readonly number[]): string[] {
  if (!tensor) return [`"${name}" is missing`];
  const fits = tensor.rank === shape.length && shape.every((dim, axis) => dim === tensor.shape[axis]);
  return fits ? [] : [`"${name}" has shape ${formatShape(tensor.shape)} instead of ${formatShape(shape)}`];
}

/** `g (conv(x) - m)/sqrt(v + e) + b` as a convolution with a bias. */
function folded(name: string, get: (name: string) => Tensor): Convolution3dParams {
  const [gain, offset, average, variance] = normParts.map((part) => get(`${name}.bn.${part}`) as Tensor1D);
  return tidy(() => {
    const factor: Tensor1D = div(gain!, sqrt(add(variance!, batchNormEpsilon)));
    return {
      kernel: mul<Tensor5D>(lastOut(get(`${name}.conv3d.weight`) as Tensor5D), factor),
      bias: sub<Tensor1D>(offset!, mul(average!, factor)),
    };
  });
}

/** Transposes `[out, in, t, h, w]` to `[t, h, w, in, out]`, as three axes, since wasm is slow beyond four. */
function lastOut(weight: Tensor5D): Tensor5D {
  const [outputs, inputs, ...window] = weight.shape;
  const [time, rows, columns] = window;
  const positions = time * rows * columns;
  const turned = transpose(reshape(weight, [outputs, inputs, positions]), [2, 1, 0]);
  return reshape(turned, [time, rows, columns, inputs, outputs]);
}

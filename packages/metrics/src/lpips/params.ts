import {
  clone,
  reshape,
  tensor1d,
  tidy,
  transpose,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import { CoordTokError, formatShape } from "@coordtok/core";
import type { ConvolutionParams } from "../convolution.js";
import type { Convolutions } from "./features.js";
import { convolutionNames, featureNetworks, type FeatureNetwork, type LpipsNetworkName } from "./networks.js";

/** The weights of LPIPS. They are constants that are never trained. Free them with {@link disposeLpipsParams}. */
export type LpipsParams = {
  /** The network that computes the features. */
  readonly network: LpipsNetworkName;
  /** The shift `[3]` that is subtracted from the frames, per colour. */
  readonly shift: Tensor1D;
  /** The scale `[3]` by which the frames are then divided, per colour. */
  readonly scale: Tensor1D;
  /** The convolutions of the feature network, by torchvision's name after `features.`. */
  readonly convolutions: Convolutions;
  /** One weight per channel for each compared layer. */
  readonly heads: readonly Tensor1D[];
};

/** Tensors by name, as a checkpoint file holds them. */
export type NamedTensors = ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;

/** The mean and deviation of ImageNet's colours for frames in [-1, 1], as in LPIPS v0.1. */
const defaultShift = [-0.03, -0.088, -0.188];
const defaultScale = [0.458, 0.448, 0.45];

/** The patterns of names, without the common prefix. */
const convolutionName = /^(?:net\.slice\d+|features)\.(.+)\.(weight|bias)$/;
const headName = /^lins?\.?(\d+)\.model\.1\.weight$/;
const scalingName = /^scaling_layer\.(shift|scale)$/;
/** The layers of torchvision's classifiers, which follow the features and which LPIPS does not use. */
const unusedName = /^classifier\./;
const firstNames = ["net.slice1.0.weight", "features.0.weight"];

/**
 * Makes the weights of LPIPS from tensors under their PyTorch names: `net.slice<k>.<layer>.{weight,bias}` (the LPIPS code, the official
 * CoordTok checkpoints) or `features.<layer>.{weight,bias}` (torchvision), the heads `lin<i>.model.1.weight` or
 * `lins.<i>.model.1.weight`, and optionally `scaling_layer.{shift,scale}`. Names may share a prefix such as `lpips_loss.`; names without
 * it are ignored, and every name with it must be known. The network follows from the names, its widths from the shapes.
 * @param tensors tensors that stay the caller's; convolutions are `[out, in, rows, columns]`.
 * @returns weights owned by the caller.
 * @throws CoordTokError `checkpoint`, naming what is missing, unknown or of a wrong shape.
 */
export function lpipsParamsFromStateDict(tensors: NamedTensors): LpipsParams {
  const named = withoutPrefix(tensors);
  const network = featureNetworks[networkOf(named)];
  const problems = [...unknownNames(named), ...shapeProblems(network, named)];
  if (problems.length > 0)
    throw new CoordTokError(
      "checkpoint",
      `Expected the weights of LPIPS with ${network.name}, but ${problems[0]!}${problems.length > 1 ? ` (and ${problems.length - 1} more problems)` : ""}; use the tensors of one complete file, or those of torchvision's network and the heads together.`,
      { details: problems },
    );
  return build(network, named);
}

/** Frees the weights of LPIPS. */
export function disposeLpipsParams(params: LpipsParams): void {
  params.shift.dispose();
  params.scale.dispose();
  for (const head of params.heads) head.dispose();
  for (const { kernel, bias } of Object.values(params.convolutions)) {
    kernel.dispose();
    bias.dispose();
  }
}

type Named = ReadonlyMap<string, Tensor>;

function entriesOf(tensors: NamedTensors): [string, Tensor][] {
  return Symbol.iterator in tensors ? [...(tensors as Named)] : Object.entries(tensors);
}

function withoutPrefix(tensors: NamedTensors): Named {
  const entries = entriesOf(tensors);
  for (const [name] of entries) {
    const first = firstNames.find((known) => name === known || name.endsWith(`.${known}`));
    if (first === undefined) continue;
    const prefix = name.slice(0, -first.length);
    return new Map(
      entries.filter(([name]) => name.startsWith(prefix)).map(([name, tensor]) => [name.slice(prefix.length), tensor]),
    );
  }
  throw new CoordTokError(
    "checkpoint",
    `Expected the weights of an LPIPS network, but no tensor is called ${firstNames.join(" or ")}.`,
    { details: entries.slice(0, 10).map(([name]) => name) },
  );
}

function networkOf(named: Named): LpipsNetworkName {
  const layers = new Set([...named.keys()].map((name) => convolutionName.exec(name)?.[1]));
  if (layers.has("3.squeeze")) return "squeezenet1.1";
  return layers.has("2") ? "vgg16" : "alexnet";
}

function* unknownNames(named: Named): Generator<string> {
  const patterns = [convolutionName, headName, scalingName, unusedName];
  for (const name of named.keys()) if (!patterns.some((pattern) => pattern.test(name))) yield `"${name}" is unknown`;
}

/** The tensors of one convolution. */
function convolutionTensors(named: Named, layer: string): { weight: Tensor | undefined; bias: Tensor | undefined } {
  const find = (part: string): Tensor | undefined =>
    [...named].find(([name]) => {
      const match = convolutionName.exec(name);
      return match?.[1] === layer && match[2] === part;
    })?.[1];
  return { weight: find("weight"), bias: find("bias") };
}

function headTensor(named: Named, index: number): Tensor | undefined {
  return [...named].find(([name]) => headName.exec(name)?.[1] === String(index))?.[1];
}

/** Follows the channels through the network and yields the problems found. */
function* shapeProblems(network: FeatureNetwork, named: Named): Generator<string> {
  const known = new Set<string>();
  let channels = 3;
  for (const [slice, layers] of network.slices.entries()) {
    for (const layer of layers) {
      const names = convolutionNames(layer);
      const widths: number[] = [];
      for (const name of names) {
        known.add(name);
        const inputs = layer.kind === "fire" && widths.length > 0 ? widths[0]! : channels;
        const size = layer.kind === "convolution" ? layer.size : name.endsWith("3x3") ? 3 : 1;
        const { weight, bias } = convolutionTensors(named, name);
        widths.push(weight?.shape[0] ?? 0);
        yield* mismatch(`the weight of layer ${name}`, weight, [undefined, inputs, size, size]);
        yield* mismatch(`the bias of layer ${name}`, bias, [weight?.shape[0]]);
      }
      if (layer.kind === "convolution") channels = widths[0]!;
      if (layer.kind === "fire") channels = widths[1]! + widths[2]!;
    }
    yield* mismatch(`head ${slice}`, headTensor(named, slice), [1, channels, 1, 1]);
  }
  if (headTensor(named, network.slices.length)) yield `there is a head ${network.slices.length} too many`;
  for (const name of named.keys()) {
    const layer = convolutionName.exec(name)?.[1];
    if (layer !== undefined && !known.has(layer)) yield `"${name}" is not one of its layers`;
  }
  for (const part of ["shift", "scale"]) {
    const tensor = named.get(`scaling_layer.${part}`);
    if (tensor && tensor.size !== 3) yield `the ${part} has shape ${formatShape(tensor.shape)} instead of 3 values`;
  }
}

function* mismatch(what: string, tensor: Tensor | undefined, expected: (number | undefined)[]): Generator<string> {
  if (!tensor) yield `${what} is missing`;
  else if (
    tensor.rank !== expected.length ||
    expected.some((dim, axis) => dim !== undefined && dim !== tensor.shape[axis])
  )
    yield `${what} has shape ${formatShape(tensor.shape)} instead of ${formatShape(expected)}`;
}

function build(network: FeatureNetwork, named: Named): LpipsParams {
  const names = network.slices.flatMap((layers) => layers.flatMap(convolutionNames));
  const convolution = (name: string): ConvolutionParams => {
    const { weight, bias } = convolutionTensors(named, name);
    return { kernel: transpose(weight as Tensor4D, [2, 3, 1, 0]), bias: clone(bias as Tensor1D) };
  };
  const colours = (part: string, standard: number[]): Tensor1D => {
    const tensor = named.get(`scaling_layer.${part}`);
    return tensor ? reshape(tensor, [3]) : tensor1d(standard);
  };
  return {
    network: network.name,
    shift: colours("shift", defaultShift),
    scale: colours("scale", defaultScale),
    convolutions: Object.fromEntries(names.map((name) => [name, convolution(name)])),
    heads: network.slices.map((_, slice) => {
      const head = headTensor(named, slice)!;
      return tidy(() => reshape(head, [head.size]));
    }),
  };
}

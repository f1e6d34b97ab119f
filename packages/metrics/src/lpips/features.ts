import { concat, conv2d, maxPool, pad, tidy, type Tensor4D } from "@tensorflow/tfjs-core";
import { CoordTokError } from "@coordtok/core";
import { biasReluBeside, convolveRelu, separateBiasRelu, type ConvolutionParams } from "../convolution.js";
import type { FeatureLayer, FeatureNetwork } from "./networks.js";

/** Convolutions by torchvision's name after `features.`, such as `28` or `12.expand3x3`. */
export type Convolutions = Readonly<Record<string, ConvolutionParams>>;

/**
 * Computes the features that LPIPS compares: the values at the end of each slice. The caller's `tidy` frees the intermediates.
 * @param x `[F, H, W, 3]`, already scaled.
 * @returns one `[F, h, w, C]` per slice.
 */
export function features(network: FeatureNetwork, convolutions: Convolutions, x: Tensor4D): Tensor4D[] {
  const ends: Tensor4D[] = [];
  let value = x;
  for (const slice of network.slices) {
    const before = value;
    // Freed slice by slice: memory that is reused at once is still in the cache.
    value = tidy(() => slice.reduce((x, layer) => applyLayer(layer, convolutions, x), before));
    ends.push(value);
  }
  return ends;
}

function applyLayer(layer: FeatureLayer, convolutions: Convolutions, x: Tensor4D): Tensor4D {
  switch (layer.kind) {
    case "convolution":
      return convolve(convolutions[layer.name]!, x, layer.stride, layer.padding);
    case "max-pool":
      return maxPool(layer.ceil ? padToWindows(x, layer.size, layer.stride) : x, layer.size, layer.stride, "valid");
    case "fire": {
      const part = (name: string): ConvolutionParams => convolutions[`${layer.name}.${name}`]!;
      const squeezed = convolve(part("squeeze"), x, 1, 0);
      if (separateBiasRelu()) return expandBeside(part("expand1x1"), part("expand3x3"), squeezed);
      return concat([convolve(part("expand1x1"), squeezed, 1, 0), convolve(part("expand3x3"), squeezed, 1, 1)], 3);
    }
  }
}

function expandBeside(small: ConvolutionParams, large: ConvolutionParams, x: Tensor4D): Tensor4D {
  return biasReluBeside(
    [conv2d(x, small.kernel, 1, "same"), small.bias],
    [conv2d(x, large.kernel, 1, "same"), large.bias],
  );
}

function convolve(params: ConvolutionParams, x: Tensor4D, stride: number, padding: number): Tensor4D {
  const size = params.kernel.shape[0];
  const same = stride === 1 && 2 * padding === size - 1;
  const input = same || padding === 0 ? x : padEdges(x, [padding, padding], [padding, padding]);
  return convolveRelu(params, input, stride, same ? "same" : "valid");
}

/** Pads with zeros for a last window that extends beyond the edge; after a ReLU, a zero never exceeds a value. */
function padToWindows(x: Tensor4D, size: number, stride: number): Tensor4D {
  const missing = (side: number): number => (stride - ((side - size) % stride)) % stride;
  const [rows, columns] = [missing(x.shape[1]), missing(x.shape[2])];
  return rows === 0 && columns === 0 ? x : padEdges(x, [0, rows], [0, columns]);
}

function padEdges(x: Tensor4D, rows: [number, number], columns: [number, number]): Tensor4D {
  return pad(x, [[0, 0], rows, columns, [0, 0]]);
}

/** Returns the size of the features of each slice, for frames of a given size. */
export function featureSizes(
  network: FeatureNetwork,
  height: number,
  width: number,
): [height: number, width: number][] {
  let size: [number, number] = [height, width];
  return network.slices.map((slice) => {
    for (const layer of slice) size = [outputSide(layer, size[0]), outputSide(layer, size[1])];
    return size;
  });
}

function outputSide(layer: FeatureLayer, side: number): number {
  if (layer.kind === "fire") return side;
  const padding = layer.kind === "convolution" ? layer.padding : 0;
  const steps = (side + 2 * padding - layer.size) / layer.stride;
  return Math.max(0, (layer.kind === "max-pool" && layer.ceil ? Math.ceil(steps) : Math.floor(steps)) + 1);
}

/**
 * Throws if frames are too small for every slice of the network to have an output.
 * @throws CoordTokError `shape`.
 */
export function checkFrameSize(network: FeatureNetwork, height: number, width: number): void {
  const enough = featureSizes(network, height, width).every(([rows, columns]) => rows >= 1 && columns >= 1);
  if (!enough)
    throw new CoordTokError(
      "shape",
      `Expected frames large enough for the ${network.slices.length} slices of ${network.name}, got ${width}x${height}; enlarge them first.`,
    );
}

import { Random } from "@coordtok/core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { convolutionNames, featureNetworks, type LpipsNetworkName } from "../networks.js";
import { lpipsParamsFromStateDict, type LpipsParams } from "../params.js";

/** The names of all LPIPS networks. */
export const networkNames: readonly LpipsNetworkName[] = ["vgg16", "alexnet", "squeezenet1.1"];

/** Draws random weights of a narrow network under torchvision's names, and random heads. */
export function randomStateDict(network: LpipsNetworkName, seed = 5): Record<string, Tensor> {
  const random = new Random(seed);
  const tensors: Record<string, Tensor> = {};
  let channels = 3;
  for (const [slice, layers] of featureNetworks[network].slices.entries()) {
    for (const layer of layers) {
      const widths: number[] = [];
      for (const name of convolutionNames(layer)) {
        const size = layer.kind === "convolution" ? layer.size : name.endsWith("3x3") ? 3 : 1;
        const inputs = widths[0] ?? channels;
        const width = 4 + slice;
        tensors[`features.${name}.weight`] = random.normalTensor(
          [width, inputs, size, size],
          Math.sqrt(2 / inputs) / size,
        );
        tensors[`features.${name}.bias`] = random.normalTensor([width], 0.1);
        widths.push(width);
      }
      if (layer.kind !== "max-pool") channels = layer.kind === "fire" ? widths[1]! + widths[2]! : widths[0]!;
    }
    tensors[`lin${slice}.model.1.weight`] = random.uniformTensor([1, channels, 1, 1], 0, 1);
  }
  return tensors;
}

/** Makes LPIPS weights of a narrow random network, which responds to differences but whose numbers mean nothing. */
export function randomParams(network: LpipsNetworkName): LpipsParams {
  const tensors = randomStateDict(network);
  const params = lpipsParamsFromStateDict(tensors);
  for (const tensor of Object.values(tensors)) tensor.dispose();
  return params;
}

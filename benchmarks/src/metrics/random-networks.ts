import type { Random } from "@coordtok/core";
import { lpipsParamsFromStateDict, type LpipsNetworkName, type LpipsParams } from "@coordtok/metrics/networks";
import { dispose, ones, type Tensor } from "@tensorflow/tfjs-core";

type Shapes = Record<string, readonly [outputs: number, inputs: number, size: number]>;

interface NetworkShapes {
  readonly layers: Shapes;
  readonly heads: readonly number[];
}

const shapesOf: Readonly<Record<LpipsNetworkName, () => NetworkShapes>> = {
  vgg16: vggShapes,
  alexnet: alexShapes,
  "squeezenet1.1": squeezeShapes,
};

function vggShapes(): NetworkShapes {
  const widths = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512];
  const places = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28];
  const layers = Object.fromEntries(
    places.map((place, i) => [String(place), [widths[i]!, i === 0 ? 3 : widths[i - 1]!, 3] as const]),
  );
  return { layers, heads: [64, 128, 256, 512, 512] };
}

function alexShapes(): NetworkShapes {
  return {
    layers: { 0: [64, 3, 11], 3: [192, 64, 5], 6: [384, 192, 3], 8: [256, 384, 3], 10: [256, 256, 3] },
    heads: [64, 192, 384, 256, 256],
  };
}

function squeezeShapes(): NetworkShapes {
  const layers: Shapes = { 0: [64, 3, 3] };
  let inputs = 64;
  for (const [place, squeezed] of [3, 4, 6, 7, 9, 10, 11, 12].map(
    (place, i) => [place, 16 * (1 + (i >> 1))] as const,
  )) {
    layers[`${place}.squeeze`] = [squeezed, inputs, 1];
    layers[`${place}.expand1x1`] = [4 * squeezed, squeezed, 1];
    layers[`${place}.expand3x3`] = [4 * squeezed, squeezed, 3];
    inputs = 8 * squeezed;
  }
  return { layers, heads: [64, 128, 256, 384, 384, 512, 512] };
}

/** Makes LPIPS with a network of full size and random weights. */
export function randomLpips(network: LpipsNetworkName, random: Random): LpipsParams {
  const { layers, heads } = shapesOf[network]();
  const tensors: Record<string, Tensor> = {};
  for (const [name, [outputs, inputs, size]] of Object.entries(layers)) {
    const deviation = Math.sqrt(2 / inputs) / size;
    tensors[`features.${name}.weight`] = random.normalTensor([outputs, inputs, size, size], deviation);
    tensors[`features.${name}.bias`] = random.normalTensor([outputs], 0.1);
  }
  heads.forEach((width, i) => (tensors[`lin${i}.model.1.weight`] = ones([1, width, 1, 1])));
  const params = lpipsParamsFromStateDict(tensors);
  dispose(tensors);
  return params;
}

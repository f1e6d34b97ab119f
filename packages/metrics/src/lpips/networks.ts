/** The name of a network for which LPIPS v0.1 has heads. */
export type LpipsNetworkName = "vgg16" | "alexnet" | "squeezenet1.1";

/** One layer of a feature network; `name` is torchvision's, after `features.`. A ReLU follows each convolution. */
export type FeatureLayer =
  | {
      readonly kind: "convolution";
      readonly name: string;
      /** The side of its square kernel. */
      readonly size: number;
      readonly stride: number;
      /** The rows and columns of zeros on each side. */
      readonly padding: number;
    }
  | {
      readonly kind: "max-pool";
      readonly size: number;
      readonly stride: number;
      /** Whether a last window that extends beyond the edge counts; otherwise it is dropped. */
      readonly ceil: boolean;
    }
  /** A 1x1 convolution `squeeze`, followed by a 1x1 and a 3x3 convolution in parallel, concatenated. */
  | { readonly kind: "fire"; readonly name: string };

/** A feature network as the slices whose last layers LPIPS compares. */
export interface FeatureNetwork {
  readonly name: LpipsNetworkName;
  readonly slices: readonly (readonly FeatureLayer[])[];
}

const conv = (index: number, size = 3, stride = 1, padding = (size - 1) / 2): FeatureLayer => ({
  kind: "convolution",
  name: String(index),
  size,
  stride,
  padding,
});
const pool = (size: number, ceil = false): FeatureLayer => ({ kind: "max-pool", size, stride: 2, ceil });
const fire = (index: number): FeatureLayer => ({ kind: "fire", name: String(index) });

/** The three networks as in torchvision, in slices whose ends LPIPS v0.1 compares (`docs/spec.md#lpips`). */
export const featureNetworks: Readonly<Record<LpipsNetworkName, FeatureNetwork>> = {
  vgg16: {
    name: "vgg16",
    slices: [
      [conv(0), conv(2)],
      [pool(2), conv(5), conv(7)],
      [pool(2), conv(10), conv(12), conv(14)],
      [pool(2), conv(17), conv(19), conv(21)],
      [pool(2), conv(24), conv(26), conv(28)],
    ],
  },
  alexnet: {
    name: "alexnet",
    slices: [[conv(0, 11, 4, 2)], [pool(3), conv(3, 5)], [pool(3), conv(6)], [conv(8)], [conv(10)]],
  },
  "squeezenet1.1": {
    name: "squeezenet1.1",
    slices: [
      [conv(0, 3, 2, 0)],
      [pool(3, true), fire(3), fire(4)],
      [pool(3, true), fire(6), fire(7)],
      [pool(3, true), fire(9)],
      [fire(10)],
      [fire(11)],
      [fire(12)],
    ],
  },
};

/** Returns the names of the convolutions of a layer. */
export function convolutionNames(layer: FeatureLayer): readonly string[] {
  switch (layer.kind) {
    case "convolution":
      return [layer.name];
    case "max-pool":
      return [];
    case "fire":
      return ["squeeze", "expand1x1", "expand3x3"].map((part) => `${layer.name}.${part}`);
  }
}

import type { Extent3d } from "./convolution3d.js";

/** A convolution of I3D, by its official name. */
export interface I3dConvolution {
  readonly name: string;
  /** The side of its cubic kernel. */
  readonly size: number;
  readonly inputs: number;
  readonly outputs: number;
}

/** A layer of I3D whose output is an end point. */
export type I3dLayer =
  | {
      readonly kind: "convolution";
      readonly name: string;
      readonly convolution: I3dConvolution;
      readonly stride: Extent3d;
    }
  | { readonly kind: "max-pool"; readonly name: string; readonly size: Extent3d; readonly stride: Extent3d }
  /** Four parallel branches: b0; b1a then b1b; b2a then b2b; a max-pool of 3x3x3 then b3b. */
  | {
      readonly kind: "mixed";
      readonly name: string;
      readonly convolutions: Readonly<Record<MixedPart, I3dConvolution>>;
    };

type MixedPart = "b0" | "b1a" | "b1b" | "b2a" | "b2b" | "b3b";

const one: Extent3d = { time: 1, space: 1 };
const two: Extent3d = { time: 2, space: 2 };

function convolution(name: string, size: number, inputs: number, outputs: number, stride: Extent3d = one): I3dLayer {
  return { kind: "convolution", name, convolution: { name, size, inputs, outputs }, stride };
}

function maxPool(name: string, time: number, space: number, stride: Extent3d): I3dLayer {
  return { kind: "max-pool", name, size: { time, space }, stride };
}

type Widths = readonly [b0: number, b1a: number, b1b: number, b2a: number, b2b: number, b3b: number];

function mixed(name: string, inputs: number, [b0, b1a, b1b, b2a, b2b, b3b]: Widths): I3dLayer {
  const part = (branch: MixedPart, size: number, from: number, to: number): I3dConvolution => ({
    name: `${name}.${branch}`,
    size,
    inputs: from,
    outputs: to,
  });
  return {
    kind: "mixed",
    name,
    convolutions: {
      b0: part("b0", 1, inputs, b0),
      b1a: part("b1a", 1, inputs, b1a),
      b1b: part("b1b", 3, b1a, b1b),
      b2a: part("b2a", 1, inputs, b2a),
      b2b: part("b2b", 3, b2a, b2b),
      b3b: part("b3b", 1, inputs, b3b),
    },
  };
}

/** The end points of InceptionI3d up to its features (`docs/spec.md#i3d`). A mixed block's outputs are b0 + b1b + b2b + b3b wide. */
export const i3dLayers: readonly I3dLayer[] = [
  convolution("Conv3d_1a_7x7", 7, 3, 64, two),
  maxPool("MaxPool3d_2a_3x3", 1, 3, { time: 1, space: 2 }),
  convolution("Conv3d_2b_1x1", 1, 64, 64),
  convolution("Conv3d_2c_3x3", 3, 64, 192),
  maxPool("MaxPool3d_3a_3x3", 1, 3, { time: 1, space: 2 }),
  mixed("Mixed_3b", 192, [64, 96, 128, 16, 32, 32]),
  mixed("Mixed_3c", 256, [128, 128, 192, 32, 96, 64]),
  maxPool("MaxPool3d_4a_3x3", 3, 3, two),
  mixed("Mixed_4b", 480, [192, 96, 208, 16, 48, 64]),
  mixed("Mixed_4c", 512, [160, 112, 224, 24, 64, 64]),
  mixed("Mixed_4d", 512, [128, 128, 256, 24, 64, 64]),
  mixed("Mixed_4e", 512, [112, 144, 288, 32, 64, 64]),
  mixed("Mixed_4f", 528, [256, 160, 320, 32, 128, 128]),
  maxPool("MaxPool3d_5a_2x2", 2, 2, two),
  mixed("Mixed_5b", 832, [256, 160, 320, 32, 128, 128]),
  mixed("Mixed_5c", 832, [384, 192, 384, 48, 128, 128]),
];

/** The number of features of the last end point. */
export const i3dFeatureWidth = 1024;

/** Lists all convolutions before the classifier. */
export function i3dConvolutions(): I3dConvolution[] {
  return i3dLayers.flatMap((layer) => {
    if (layer.kind === "max-pool") return [];
    return layer.kind === "convolution" ? [layer.convolution] : Object.values(layer.convolutions);
  });
}

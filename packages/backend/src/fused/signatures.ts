import type { FusedName } from "@coordtok/core";

/** In what order the inputs of a fused operation reach the native library, and how many tensors come back. */
export interface Signature {
  /** Float32 inputs that are always there. */
  readonly inputs: readonly string[];
  /** Float32 inputs that may be absent; bit i of the flags says whether the i-th is there. They follow the others. */
  readonly optional?: readonly string[];
  /** Int32 inputs; they come last. */
  readonly indices?: readonly string[];
  /** Lists of float32 inputs, after the named ones. */
  readonly lists?: number;
  /** An attribute that says whether there is one more output, and its flag. */
  readonly extra?: { readonly attribute: string; readonly bit: number };
  /** There is one more output where any optional input is there. */
  readonly extraWithOptional?: boolean;
  /** The attribute that the library knows as `heads`. */
  readonly heads?: string;
  /** Outputs without the extra one; for lists, lists that come back. */
  readonly outputs: number;
}

const statistics = { attribute: "statistics", bit: 1 };

/** The signature of every fused operation. */
export const signatures: { readonly [name in FusedName]: Signature } = {
  CoordTokSelfAttention: { inputs: ["packed"], optional: ["bias"], extra: statistics, heads: "heads", outputs: 1 },
  CoordTokSelfAttentionGradient: {
    inputs: ["packed", "out", "statistics", "dy"],
    optional: ["bias"],
    heads: "heads",
    outputs: 1,
  },
  CoordTokCrossAttention: {
    inputs: ["query", "keyValue"],
    optional: ["bias"],
    extra: statistics,
    heads: "heads",
    outputs: 1,
  },
  CoordTokCrossAttentionGradient: {
    inputs: ["query", "keyValue", "out", "statistics", "dy"],
    optional: ["bias"],
    heads: "heads",
    outputs: 2,
  },
  CoordTokLayerNorm: {
    inputs: ["x", "scale", "shift"],
    optional: ["addend", "bias"],
    extraWithOptional: true,
    outputs: 1,
  },
  CoordTokLayerNormGradient: {
    inputs: ["x", "scale", "dy"],
    optional: ["upstream"],
    extra: { attribute: "biasGradient", bit: 1 },
    outputs: 3,
  },
  CoordTokGelu: { inputs: ["x"], optional: ["bias"], outputs: 1 },
  CoordTokGeluGradient: { inputs: ["x", "dy"], optional: ["bias"], outputs: 3 },
  CoordTokTanhGelu: { inputs: ["x"], optional: ["bias"], outputs: 1 },
  CoordTokModulatedNorm: {
    inputs: ["x", "modulation"],
    optional: ["addend", "bias"],
    extraWithOptional: true,
    heads: "vector",
    outputs: 1,
  },
  CoordTokGatedAdd: { inputs: ["x", "addend", "modulation"], optional: ["bias"], heads: "vector", outputs: 1 },
  CoordTokAdd: { inputs: ["x"], optional: ["addend", "bias"], outputs: 1 },
  CoordTokColumnSums: { inputs: ["x"], outputs: 1 },
  CoordTokProduct: { inputs: ["a", "b"], heads: "transposed", outputs: 1 },
  CoordTokWeightedRows: { inputs: ["table", "weights"], indices: ["cells"], outputs: 1 },
  CoordTokWeightedRowsGradient: { inputs: ["dy", "weights"], indices: ["cells"], heads: "rows", outputs: 1 },
  CoordTokAdamW: { inputs: ["settings"], lists: 4, outputs: 3 },
  CoordTokBlend: { inputs: ["share"], lists: 2, outputs: 1 },
  CoordTokSumOfSquares: { inputs: [], lists: 1, outputs: 1 },
  CoordTokMeanSquaredDifference: { inputs: ["a", "b"], outputs: 1 },
  CoordTokBiasRelu: { inputs: ["x", "bias"], optional: ["beside", "besideBias"], outputs: 1 },
  CoordTokFeatureDistance: { inputs: ["features", "head"], optional: ["other"], outputs: 1 },
  CoordTokSsim: { inputs: ["reference", "other", "window", "constants"], outputs: 1 },
};

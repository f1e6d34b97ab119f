import type { FusedTable } from "./description.js";

/** The fused operations of the layers and of the optimizer. `packages/backend/kernels/kernels.h` defines their arithmetic. */
export const fusedOperations = {
  /** Attention of a sequence with itself: queries, keys and values side by side. The statistics are for the gradient. */
  CoordTokSelfAttention: {
    inputs: { packed: "[B, N, 3E]", bias: "[B, N]?" },
    attributes: { heads: "int", statistics: "bool" },
    outputs: [
      { name: "out", shape: "[B, N, E]" },
      { name: "statistics", shape: "[B, heads, 2, N]", where: ["statistics"] },
    ],
  },
  CoordTokSelfAttentionGradient: {
    inputs: {
      packed: "[B, N, 3E]",
      out: "[B, N, E]",
      statistics: "[B, heads, 2, N]",
      dy: "[B, N, E]",
      bias: "[B, N]?",
    },
    attributes: { heads: "int" },
    outputs: [{ name: "packedGradient", shape: "[B, N, 3E]" }],
  },
  /** Attention to another sequence: its keys and values side by side. */
  CoordTokCrossAttention: {
    inputs: { query: "[B, N, E]", keyValue: "[B, M, 2E]", bias: "[B, M]?" },
    attributes: { heads: "int", statistics: "bool" },
    outputs: [
      { name: "out", shape: "[B, N, E]" },
      { name: "statistics", shape: "[B, heads, 2, N]", where: ["statistics"] },
    ],
  },
  CoordTokCrossAttentionGradient: {
    inputs: {
      query: "[B, N, E]",
      keyValue: "[B, M, 2E]",
      out: "[B, N, E]",
      statistics: "[B, heads, 2, N]",
      dy: "[B, N, E]",
      bias: "[B, M]?",
    },
    attributes: { heads: "int" },
    outputs: [
      { name: "queryGradient", shape: "[B, N, E]" },
      { name: "keyValueGradient", shape: "[B, M, 2E]" },
    ],
  },
  /** Layer norm of `x + addend + bias` over its last axis; also returns the sum if there is something to add. */
  CoordTokLayerNorm: {
    inputs: { x: "[..., E]", scale: "[E]", shift: "[E]", addend: "[..., E]?", bias: "[E]?" },
    attributes: { epsilon: "float" },
    outputs: [
      { name: "out", shape: "[..., E]" },
      { name: "sum", shape: "[..., E]", where: ["addend", "bias"] },
    ],
  },
  /** The gradients of layer norm. `upstream` is added to the gradient of the sum, whose column sums are the gradient of the bias. */
  CoordTokLayerNormGradient: {
    inputs: { x: "[..., E]", scale: "[E]", dy: "[..., E]", upstream: "[..., E]?" },
    attributes: { epsilon: "float", biasGradient: "bool" },
    outputs: [
      { name: "sumGradient", shape: "[..., E]" },
      { name: "scaleGradient", shape: "[E]" },
      { name: "shiftGradient", shape: "[E]" },
      { name: "biasGradient", shape: "[E]", where: ["biasGradient"] },
    ],
  },
  /** The exact GELU of `x + bias`. */
  CoordTokGelu: {
    inputs: { x: "[..., E]", bias: "[E]?" },
    attributes: {},
    outputs: [{ name: "out", shape: "[..., E]" }],
  },
  /** The gradients of the exact GELU, and its value recomputed. */
  CoordTokGeluGradient: {
    inputs: { x: "[..., E]", dy: "[..., E]", bias: "[E]?" },
    attributes: {},
    outputs: [
      { name: "xGradient", shape: "[..., E]" },
      { name: "biasGradient", shape: "[E]" },
      { name: "out", shape: "[..., E]" },
    ],
  },
  /** The tanh approximation of the GELU of `x + bias`. */
  CoordTokTanhGelu: {
    inputs: { x: "[..., E]", bias: "[E]?" },
    attributes: {},
    outputs: [{ name: "out", shape: "[..., E]" }],
  },
  /**
   * `norm(x) (1 + scale) + shift`: shift and scale are consecutive vectors of width E in the clip's row of `modulation`, from number
   * `vector` on. With an `addend`, a gate precedes them, and the norm is taken of `x + gate (addend + bias)`, which is also returned.
   */
  CoordTokModulatedNorm: {
    inputs: { x: "[B, N, E]", modulation: "[B, vectors E]", addend: "[B, N, E]?", bias: "[E]?" },
    attributes: { epsilon: "float", vector: "int" },
    outputs: [
      { name: "out", shape: "[B, N, E]" },
      { name: "sum", shape: "[B, N, E]", where: ["addend"] },
    ],
  },
  /** `x + gate (addend + bias)`; the gate is vector number `vector` of `modulation`. */
  CoordTokGatedAdd: {
    inputs: { x: "[B, N, E]", addend: "[B, N, E]", modulation: "[B, vectors E]", bias: "[E]?" },
    attributes: { vector: "int" },
    outputs: [{ name: "out", shape: "[B, N, E]" }],
  },
  /** `x + addend + bias` */
  CoordTokAdd: {
    inputs: { x: "[..., E]", addend: "[..., E]?", bias: "[E]?" },
    attributes: {},
    outputs: [{ name: "out", shape: "[..., E]" }],
  },
  /** The sums over all axes but the last. */
  CoordTokColumnSums: {
    inputs: { x: "[..., E]" },
    attributes: {},
    outputs: [{ name: "sums", shape: "[E]" }],
  },
  /** The product of two matrices, either of them optionally transposed, or of each matrix of an untransposed batch with one matrix. */
  CoordTokProduct: {
    inputs: { a: "[M, K] | [B, M, K]", b: "[K, N]" },
    attributes: { transposeA: "bool", transposeB: "bool" },
    outputs: [{ name: "out", shape: "[M, N] | [B, M, N]" }],
  },
  /** One step of AdamW. `settings`: beta1, 1 - beta1, beta2, 1 - beta2, epsilon, root correction, step size, decay, gradient scale. */
  CoordTokAdamW: {
    inputs: { settings: "[9]" },
    lists: ["params", "gradients", "firstMoments", "secondMoments"],
    attributes: {},
    outputs: [
      { name: "newParams", like: "params" },
      { name: "newFirstMoments", like: "params" },
      { name: "newSecondMoments", like: "params" },
    ],
  },
  /** `a (1 - share) + b share` */
  CoordTokBlend: {
    inputs: { share: "[1]" },
    lists: ["a", "b"],
    attributes: {},
    outputs: [{ name: "blended", like: "a" }],
  },
  /** The sum of the squares of all numbers of a list. */
  CoordTokSumOfSquares: {
    inputs: {},
    lists: ["x"],
    attributes: {},
    outputs: [{ name: "sum", shape: "[]" }],
  },
} as const;

/** The table of the fused operations of the layers and of the optimizer, as a type. */
export type LayerOperations = FusedTable<typeof fusedOperations>;

// Made from packages/*/src/**/fused-operations.ts by "pnpm kernels"; "pnpm check kernels" proves it.
import type { Signature } from "./signature.js";

/** The signature of every fused operation that the libraries have, by name. */
export const operationTable: Readonly<Record<string, Signature>> = {
  CoordTokSelfAttention: {
    inputs: [
      { name: "packed", dtype: "float32", optional: false },
      { name: "bias", dtype: "float32", optional: true },
    ],
    lists: 0,
    attributes: [
      { name: "heads", type: "int" },
      { name: "statistics", type: "bool" },
    ],
    outputs: [
      { name: "out", list: false, where: [] },
      { name: "statistics", list: false, where: ["statistics"] },
    ],
  },
  CoordTokSelfAttentionGradient: {
    inputs: [
      { name: "packed", dtype: "float32", optional: false },
      { name: "out", dtype: "float32", optional: false },
      { name: "statistics", dtype: "float32", optional: false },
      { name: "dy", dtype: "float32", optional: false },
      { name: "bias", dtype: "float32", optional: true },
    ],
    lists: 0,
    attributes: [{ name: "heads", type: "int" }],
    outputs: [{ name: "packedGradient", list: false, where: [] }],
  },
  CoordTokCrossAttention: {
    inputs: [
      { name: "query", dtype: "float32", optional: false },
      { name: "keyValue", dtype: "float32", optional: false },
      { name: "bias", dtype: "float32", optional: true },
    ],
    lists: 0,
    attributes: [
      { name: "heads", type: "int" },
      { name: "statistics", type: "bool" },
    ],
    outputs: [
      { name: "out", list: false, where: [] },
      { name: "statistics", list: false, where: ["statistics"] },
    ],
  },
  CoordTokCrossAttentionGradient: {
    inputs: [
      { name: "query", dtype: "float32", optional: false },
      { name: "keyValue", dtype: "float32", optional: false },
      { name: "out", dtype: "float32", optional: false },
      { name: "statistics", dtype: "float32", optional: false },
      { name: "dy", dtype: "float32", optional: false },
      { name: "bias", dtype: "float32", optional: true },
    ],
    lists: 0,
    attributes: [{ name: "heads", type: "int" }],
    outputs: [
      { name: "queryGradient", list: false, where: [] },
      { name: "keyValueGradient", list: false, where: [] },
    ],
  },
  CoordTokLayerNorm: {
    inputs: [
      { name: "x", dtype: "float32", optional: false },
      { name: "scale", dtype: "float32", optional: false },
      { name: "shift", dtype: "float32", optional: false },
      { name: "addend", dtype: "float32", optional: true },
      { name: "bias", dtype: "float32", optional: true },
    ],
    lists: 0,
    attributes: [{ name: "epsilon", type: "float" }],
    outputs: [
      { name: "out", list: false, where: [] },
      { name: "sum", list: false, where: ["addend", "bias"] },
    ],
  },
  CoordTokLayerNormGradient: {
    inputs: [
      { name: "x", dtype: "float32", optional: false },
      { name: "scale", dtype: "float32", optional: false },
      { name: "dy", dtype: "float32", optional: false },
      { name: "upstream", dtype: "float32", optional: true },
    ],
    lists: 0,
    attributes: [
      { name: "epsilon", type: "float" },
      { name: "biasGradient", type: "bool" },
    ],
    outputs: [
      { name: "sumGradient", list: false, where: [] },
      { name: "scaleGradient", list: false, where: [] },
      { name: "shiftGradient", list: false, where: [] },
      { name: "biasGradient", list: false, where: ["biasGradient"] },
    ],
  },
  CoordTokGelu: {
    inputs: [
      { name: "x", dtype: "float32", optional: false },
      { name: "bias", dtype: "float32", optional: true },
    ],
    lists: 0,
    attributes: [],
    outputs: [{ name: "out", list: false, where: [] }],
  },
  CoordTokGeluGradient: {
    inputs: [
      { name: "x", dtype: "float32", optional: false },
      { name: "dy", dtype: "float32", optional: false },
      { name: "bias", dtype: "float32", optional: true },
    ],
    lists: 0,
    attributes: [],
    outputs: [
      { name: "xGradient", list: false, where: [] },
      { name: "biasGradient", list: false, where: [] },
      { name: "out", list: false, where: [] },
    ],
  },
  CoordTokTanhGelu: {
    inputs: [
      { name: "x", dtype: "float32", optional: false },
      { name: "bias", dtype: "float32", optional: true },
    ],
    lists: 0,
    attributes: [],
    outputs: [{ name: "out", list: false, where: [] }],
  },
  CoordTokModulatedNorm: {
    inputs: [
      { name: "x", dtype: "float32", optional: false },
      { name: "modulation", dtype: "float32", optional: false },
      { name: "addend", dtype: "float32", optional: true },
      { name: "bias", dtype: "float32", optional: true },
    ],
    lists: 0,
    attributes: [
      { name: "epsilon", type: "float" },
      { name: "vector", type: "int" },
    ],
    outputs: [
      { name: "out", list: false, where: [] },
      { name: "sum", list: false, where: ["addend"] },
    ],
  },
  CoordTokGatedAdd: {
    inputs: [
      { name: "x", dtype: "float32", optional: false },
      { name: "addend", dtype: "float32", optional: false },
      { name: "modulation", dtype: "float32", optional: false },
      { name: "bias", dtype: "float32", optional: true },
    ],
    lists: 0,
    attributes: [{ name: "vector", type: "int" }],
    outputs: [{ name: "out", list: false, where: [] }],
  },
  CoordTokAdd: {
    inputs: [
      { name: "x", dtype: "float32", optional: false },
      { name: "addend", dtype: "float32", optional: true },
      { name: "bias", dtype: "float32", optional: true },
    ],
    lists: 0,
    attributes: [],
    outputs: [{ name: "out", list: false, where: [] }],
  },
  CoordTokColumnSums: {
    inputs: [{ name: "x", dtype: "float32", optional: false }],
    lists: 0,
    attributes: [],
    outputs: [{ name: "sums", list: false, where: [] }],
  },
  CoordTokProduct: {
    inputs: [
      { name: "a", dtype: "float32", optional: false },
      { name: "b", dtype: "float32", optional: false },
    ],
    lists: 0,
    attributes: [
      { name: "transposeA", type: "bool" },
      { name: "transposeB", type: "bool" },
    ],
    outputs: [{ name: "out", list: false, where: [] }],
  },
  CoordTokAdamW: {
    inputs: [{ name: "settings", dtype: "float32", optional: false }],
    lists: 4,
    attributes: [],
    outputs: [
      { name: "newParams", list: true, where: [] },
      { name: "newFirstMoments", list: true, where: [] },
      { name: "newSecondMoments", list: true, where: [] },
    ],
  },
  CoordTokBlend: {
    inputs: [{ name: "share", dtype: "float32", optional: false }],
    lists: 2,
    attributes: [],
    outputs: [{ name: "blended", list: true, where: [] }],
  },
  CoordTokSumOfSquares: { inputs: [], lists: 1, attributes: [], outputs: [{ name: "sum", list: false, where: [] }] },
  CoordTokMeanSquaredDifference: {
    inputs: [
      { name: "a", dtype: "float32", optional: false },
      { name: "b", dtype: "float32", optional: false },
    ],
    lists: 0,
    attributes: [],
    outputs: [{ name: "means", list: false, where: [] }],
  },
  CoordTokBiasRelu: {
    inputs: [
      { name: "x", dtype: "float32", optional: false },
      { name: "bias", dtype: "float32", optional: false },
      { name: "beside", dtype: "float32", optional: true },
      { name: "besideBias", dtype: "float32", optional: true },
    ],
    lists: 0,
    attributes: [],
    outputs: [{ name: "out", list: false, where: [] }],
  },
  CoordTokFeatureDistance: {
    inputs: [
      { name: "features", dtype: "float32", optional: false },
      { name: "head", dtype: "float32", optional: false },
      { name: "other", dtype: "float32", optional: true },
    ],
    lists: 0,
    attributes: [{ name: "epsilon", type: "float" }],
    outputs: [{ name: "distances", list: false, where: [] }],
  },
  CoordTokSsim: {
    inputs: [
      { name: "reference", dtype: "float32", optional: false },
      { name: "other", dtype: "float32", optional: false },
      { name: "window", dtype: "float32", optional: false },
      { name: "constants", dtype: "float32", optional: false },
    ],
    lists: 0,
    attributes: [],
    outputs: [{ name: "means", list: false, where: [] }],
  },
  CoordTokWeightedRows: {
    inputs: [
      { name: "table", dtype: "float32", optional: false },
      { name: "weights", dtype: "float32", optional: false },
      { name: "cells", dtype: "int32", optional: false },
    ],
    lists: 0,
    attributes: [],
    outputs: [{ name: "out", list: false, where: [] }],
  },
  CoordTokWeightedRowsGradient: {
    inputs: [
      { name: "dy", dtype: "float32", optional: false },
      { name: "weights", dtype: "float32", optional: false },
      { name: "cells", dtype: "int32", optional: false },
    ],
    lists: 0,
    attributes: [{ name: "rows", type: "int" }],
    outputs: [{ name: "tableGradient", list: false, where: [] }],
  },
};

import type { FusedTable } from "@coordtok/core/nn";

/** The fused operations of the metrics. `packages/backend/kernels/kernels.h` defines their arithmetic. */
export const fusedOperations = {
  /** The mean of `(a - b)^2` over each row. */
  CoordTokMeanSquaredDifference: {
    inputs: { a: "[rows, size]", b: "[rows, size]" },
    attributes: {},
    outputs: [{ name: "means", shape: "[rows]" }],
  },
  /** `max(x + bias, 0)`, and the same for `beside` in the following columns. */
  CoordTokBiasRelu: {
    inputs: { x: "[..., C]", bias: "[C]", beside: "[..., D]?", besideBias: "[D]?" },
    attributes: {},
    outputs: [{ name: "out", shape: "[rows, C + D]" }],
  },
  /**
   * The distance of two sets of features: both are divided by (their norm over the channels + epsilon); the squared differences are weighted
   * by `head`, summed over channels and averaged over positions. Without `other`, `features` holds both sets in turn.
   */
  CoordTokFeatureDistance: {
    inputs: { features: "[F, h, w, C]", head: "[C]", other: "[F, h, w, C]?" },
    attributes: { epsilon: "float" },
    outputs: [{ name: "distances", shape: "[F]" }],
  },
  /**
   * SSIM under a separable window: per frame and channel, the means over positions of SSIM and of its contrast term. `constants` are 2 C1
   * and 2 C2.
   */
  CoordTokSsim: {
    inputs: { reference: "[F, H, W, C]", other: "[F, H, W, C]", window: "[11]", constants: "[2]" },
    attributes: {},
    outputs: [{ name: "means", shape: "[F, 2, C]" }],
  },
} as const;

/** The table of the fused operations of the metrics, as a type. */
export type MetricsOperations = FusedTable<typeof fusedOperations>;

declare module "@coordtok/core/nn" {
  interface FusedTables {
    /** The operations of the metrics. */
    readonly metrics: MetricsOperations;
  }
}

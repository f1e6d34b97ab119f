import type { FusedTable } from "@coordtok/core/nn";

/** The fused operations of the metrics. The arithmetic is that of `packages/backend/kernels/kernels.h`. */
export const fusedOperations = {
  /** The mean of `(a - b)^2` over each row. */
  CoordTokMeanSquaredDifference: {
    inputs: { a: "[rows, size]", b: "[rows, size]" },
    attributes: {},
    outputs: [{ name: "means", shape: "[rows]" }],
  },
  /** `max(x + bias, 0)`, and the same of `beside` in the columns after it. */
  CoordTokBiasRelu: {
    inputs: { x: "[..., C]", bias: "[C]", beside: "[..., D]?", besideBias: "[D]?" },
    attributes: {},
    outputs: [{ name: "out", shape: "[rows, C + D]" }],
  },
  /**
   * How far features are from others: both divided by (their norm over the channels + epsilon), squared differences weighted by `head`,
   * summed over channels, the mean over positions. Without `other`, `features` holds both, one after the other.
   */
  CoordTokFeatureDistance: {
    inputs: { features: "[F, h, w, C]", head: "[C]", other: "[F, h, w, C]?" },
    attributes: { epsilon: "float" },
    outputs: [{ name: "distances", shape: "[F]" }],
  },
  /**
   * SSIM under a separable window; `constants` are 2 C1 and 2 C2. Per frame and channel the means over positions of SSIM and of its
   * contrast term.
   */
  CoordTokSsim: {
    inputs: { reference: "[F, H, W, C]", other: "[F, H, W, C]", window: "[11]", constants: "[2]" },
    attributes: {},
    outputs: [{ name: "means", shape: "[F, 2, C]" }],
  },
} as const;

/** The fused operations of the metrics by name. */
export type MetricsOperations = FusedTable<typeof fusedOperations>;

declare module "@coordtok/core/nn" {
  interface FusedTables {
    /** Those of the metrics. */
    readonly metrics: MetricsOperations;
  }
}

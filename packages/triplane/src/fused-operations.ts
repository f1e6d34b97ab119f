import type { FusedTable } from "@coordtok/core/nn";

/** The fused operations of the look-up. The arithmetic is that of `packages/backend/kernels/kernels.h`. */
export const fusedOperations = {
  /** For each of P points the sum over its corners of a weight times row `cells` of the table with R rows. */
  CoordTokWeightedRows: {
    inputs: { table: "[R, C]", weights: "[corners, P]", cells: "int32 [corners, P]" },
    attributes: {},
    outputs: [{ name: "out", shape: "[P, C]" }],
  },
  /** Its gradient for the table of `rows` rows. */
  CoordTokWeightedRowsGradient: {
    inputs: { dy: "[P, C]", weights: "[corners, P]", cells: "int32 [corners, P]" },
    attributes: { rows: "int" },
    outputs: [{ name: "tableGradient", shape: "[rows, C]" }],
  },
} as const;

/** The fused operations of the look-up by name. */
export type LookupOperations = FusedTable<typeof fusedOperations>;

declare module "@coordtok/core/nn" {
  interface FusedTables {
    /** Those of the look-up. */
    readonly triplane: LookupOperations;
  }
}

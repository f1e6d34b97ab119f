import type { FusedTable } from "@coordtok/core/nn";

/** The fused operations of the look-up. `packages/backend/kernels/kernels.h` defines their arithmetic. */
export const fusedOperations = {
  /** For each of P points, the sum over its corners of a weight times the row of the table that `cells` names. */
  CoordTokWeightedRows: {
    inputs: { table: "[R, C]", weights: "[corners, P]", cells: "int32 [corners, P]" },
    attributes: {},
    outputs: [{ name: "out", shape: "[P, C]" }],
  },
  /** The gradient of CoordTokWeightedRows for a table of `rows` rows. */
  CoordTokWeightedRowsGradient: {
    inputs: { dy: "[P, C]", weights: "[corners, P]", cells: "int32 [corners, P]" },
    attributes: { rows: "int" },
    outputs: [{ name: "tableGradient", shape: "[rows, C]" }],
  },
} as const;

/** The table of the fused operations of the look-up, as a type. */
export type LookupOperations = FusedTable<typeof fusedOperations>;

declare module "@coordtok/core/nn" {
  interface FusedTables {
    /** The operations of the look-up. */
    readonly triplane: LookupOperations;
  }
}

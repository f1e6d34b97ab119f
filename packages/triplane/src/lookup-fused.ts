import { runFused } from "@coordtok/core/nn";
import { reshape, tensor2d, tidy, type Tensor2D, type Tensor3D } from "@tensorflow/tfjs-core";
import type { LookupPlan } from "./lookup-plan.js";
import { tokenCount, tokensFromTriplane, triplaneFromTokens } from "./tokens.js";
import type { Triplane, TriplaneShape } from "./triplane.js";

/** The size of a batch of triplanes. */
export type BatchShape = TriplaneShape & { readonly batch: number };

/** For every plane of every point, four cells of the token sequence of all clips, with their weights. */
interface WeightedCells {
  /** `[4, B * N * 3]` */
  readonly cells: Int32Array;
  /** `[4, B * N * 3]` */
  readonly weights: Float32Array;
}

/** The look-up as one fused operation on the sequence of all cells: three rows per point, which together are its features. */
export function fusedLookup(triplane: Triplane, shape: BatchShape, plan: LookupPlan): Tensor3D {
  const { batch, channels } = shape;
  return tidy(() => {
    const table: Tensor2D = reshape(tokensFromTriplane(triplane), [batch * tokenCount(shape), channels]);
    const [rows] = runFused("CoordTokWeightedRows", { table, ...inputsOf(shape, plan) }, {});
    return reshape(rows, [batch, plan.count, 3 * channels]);
  });
}

/** The gradient of {@link fusedLookup} with respect to the planes. */
export function fusedLookupGradient(dy: Tensor3D, shape: BatchShape, plan: LookupPlan): Triplane {
  const { batch, channels } = shape;
  return tidy(() => {
    const tokens = tokenCount(shape);
    const inputs = { dy: reshape(dy, [batch * plan.count * 3, channels]) as Tensor2D, ...inputsOf(shape, plan) };
    const [table] = runFused("CoordTokWeightedRowsGradient", inputs, { rows: batch * tokens });
    return triplaneFromTokens(reshape(table, [batch, tokens, channels]), shape);
  });
}

function inputsOf(shape: BatchShape, plan: LookupPlan): { weights: Tensor2D; cells: Tensor2D } {
  const { cells, weights } = weightedCells(shape, plan);
  const size: [number, number] = [4, shape.batch * plan.count * 3];
  return { weights: tensor2d(weights, size), cells: tensor2d(cells, size, "int32") };
}

function weightedCells(shape: BatchShape, plan: LookupPlan): WeightedCells {
  const points = shape.batch * plan.count;
  const tokens = tokenCount(shape);
  const cells = new Int32Array(4 * points * 3);
  const weights = new Float32Array(4 * points * 3);
  let first = 0;
  plan.planes.forEach((plane, k) => {
    for (let corner = 0; corner < 4; corner++)
      for (let i = 0; i < points; i++) {
        const from = plan.batch === 1 ? i % plan.count : i;
        const to = (corner * points + i) * 3 + k;
        cells[to] = Math.floor(i / plan.count) * tokens + first + plane.corners[corner]![from]!;
        weights[to] = plane.weights[corner]![from]!;
      }
    first += plane.cells;
  });
  return { cells, weights };
}

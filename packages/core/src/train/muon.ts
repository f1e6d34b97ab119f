import {
  add,
  concat,
  div,
  mul,
  slice,
  stack,
  sub,
  tidy,
  transpose,
  unstack,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
} from "@tensorflow/tfjs-core";
import { withChanges } from "../config.js";
import { CoordTokError } from "../errors.js";
import { productOfPairs } from "../nn/product.js";
import { formatShape } from "../shape.js";
import { treeEntries, treeFromLeaves, treeLeaves, type TensorTree } from "../tree.js";
import type { Schedule } from "./adamw.js";
import { globalNorm } from "./gradient-norm.js";
import { stateLike, type Optimizer } from "./transform.js";

/** How {@link muon} treats one matrix. */
export interface MuonPieces {
  /** The number of pieces into which the matrix is cut along its outputs; each is orthogonalised on its own (default 1). */
  readonly count?: number;
  /** A factor of the learning rate (default 1). */
  readonly rate?: number;
}

/** Options of {@link muon}. */
export interface MuonSettings {
  /** Decay of the momentum, 0 to 1 (default 0.95). */
  readonly momentum: number;
  /** The number of steps of the Newton-Schulz iteration (default 5). */
  readonly iterations: number;
  /** Returns how a matrix is treated, by its path (default: whole, at the learning rate). */
  readonly piecesOf: (path: string) => MuonPieces;
}

/** The defaults of {@link MuonSettings} (`docs/spec.md#muon`). */
export const muonDefaults: MuonSettings = { momentum: 0.95, iterations: 5, piecesOf: () => ({}) };

/** The state of Muon. */
export type MuonState = {
  /** The sum of the gradients, decayed once per step. */
  readonly momentum: TensorTree;
};

/**
 * Makes a Muon optimizer (Jordan, 2024; `docs/spec.md#muon`): matrices move along the orthogonal matrix nearest to their momentum, so that
 * they move equally far in every direction. It is meant for the hidden matrices of a network; give other parameters to another optimizer
 * (`partition`). `init` throws a CoordTokError `config` for a parameter that is not a matrix, or whose pieces do not divide its outputs.
 * @param learningRate a number of at least 0, or a schedule.
 */
export function muon(learningRate: number | Schedule, settings: Partial<MuonSettings> = {}): Optimizer<MuonState> {
  const { momentum: decay, iterations, piecesOf } = withChanges(muonDefaults, settings, "the settings of muon");
  return {
    init: (params, create) => {
      for (const [path, leaf] of treeEntries(params)) checkMatrix(path, leaf, piecesOf(path));
      return { momentum: stateLike(params, create) };
    },
    update: ({ step, params, gradients, gradientScale = 1 }, { momentum }) => {
      const rate = typeof learningRate === "number" ? learningRate : learningRate(step);
      const [allGradients, sums] = [treeLeaves(gradients), treeLeaves(momentum)];
      const entries = treeEntries(params);
      const moved = tidy(() => {
        const nextSums: Tensor[] = [];
        const directions = entries.map((_, i) => {
          const gradient = gradientScale === 1 ? allGradients[i]! : mul(allGradients[i]!, gradientScale);
          const sum = add(mul(sums[i]!, decay), gradient);
          nextSums.push(sum);
          return add<Tensor2D>(gradient, mul(sum, decay));
        });
        const treatments = entries.map(([path]) => piecesOf(path));
        const orthogonal = orthogonalMatrices(
          directions.map((matrix, i) => ({ matrix, count: treatments[i]!.count ?? 1 })),
          iterations,
        );
        const nextParams = entries.map(([, param], i) =>
          sub(param, mul(orthogonal[i]!, rate * (treatments[i]!.rate ?? 1))),
        );
        return { params: nextParams, sums: nextSums };
      });
      return {
        params: treeFromLeaves(params, moved.params),
        state: { momentum: treeFromLeaves(momentum, moved.sums) },
      };
    },
  };
}

function checkMatrix(path: string, leaf: Tensor, { count = 1 }: MuonPieces): void {
  if (leaf.shape.length !== 2 || leaf.shape[1] % count !== 0)
    throw new CoordTokError(
      "config",
      `Expected the parameter "${path}" to be a matrix whose outputs are a multiple of its ${count} pieces, got ${formatShape(leaf.shape)}; give it to another optimizer.`,
    );
}

/** Up to this many values of one shape go through the iteration together: many small products one by one take longer. */
const valuesTogether = 2 ** 22;

/** Cuts matrices into pieces along their outputs, and makes each piece nearly orthogonal. Pieces of one shape are computed together. */
function orthogonalMatrices(
  matrices: readonly { readonly matrix: Tensor2D; readonly count: number }[],
  iterations: number,
): Tensor2D[] {
  const found = matrices.map(({ count }) => new Array<Tensor2D>(count));
  const shapes = new Map<string, { readonly wide: Tensor2D; readonly matrix: number; readonly piece: number }[]>();
  for (const [index, { matrix, count }] of matrices.entries()) {
    const [inputs, outputs] = [matrix.shape[0], matrix.shape[1] / count];
    for (let piece = 0; piece < count; piece++) {
      const cut: Tensor2D = count === 1 ? matrix : slice(matrix, [0, piece * outputs], [inputs, outputs]);
      const wide: Tensor2D = inputs > outputs ? transpose(cut) : cut;
      const shape = wide.shape.join();
      shapes.set(shape, [...(shapes.get(shape) ?? []), { wide, matrix: index, piece }]);
    }
  }
  for (const pieces of shapes.values()) {
    const together = Math.max(1, Math.floor(valuesTogether / Math.max(1, pieces[0]!.wide.size)));
    for (let first = 0; first < pieces.length; first += together) {
      const part = pieces.slice(first, first + together);
      const orthogonal = nearlyOrthogonal(
        part.map(({ wide }) => wide),
        iterations,
      );
      for (const [i, { matrix, piece }] of part.entries()) {
        const { count, matrix: whole } = matrices[matrix]!;
        const isTurned = whole.shape[0] > whole.shape[1] / count;
        found[matrix]![piece] = isTurned ? transpose(orthogonal[i]!) : orthogonal[i]!;
      }
    }
  }
  return found.map((pieces) => (pieces.length === 1 ? pieces[0]! : concat(pieces, 1)));
}

/** The coefficients of the iteration: small singular values come near 1 in a few steps, without converging to it (Jordan, 2024). */
const [linearTerm, cubicTerm, quinticTerm] = [3.4445, -4.775, 2.0315] as const;

/** Returns matrices with the singular vectors of the given ones, which have one shape, and singular values near 1. */
function nearlyOrthogonal(matrices: readonly Tensor2D[], iterations: number): Tensor2D[] {
  return tidy(() => {
    const scaled = matrices.map((matrix) => div<Tensor2D>(matrix, add(globalNorm(matrix), 1e-7)));
    let x = stack(scaled) as Tensor3D;
    for (let i = 0; i < iterations; i++)
      x = tidy(() => {
        const square = productOfPairs(x, x, true);
        const polynomial = add<Tensor3D>(mul(square, cubicTerm), mul(productOfPairs(square, square), quinticTerm));
        return add(mul(x, linearTerm), productOfPairs(polynomial, x));
      });
    return unstack(x) as Tensor2D[];
  });
}

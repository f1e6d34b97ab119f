import { add, concat, div, mul, slice, sub, tidy, transpose, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import { withChanges } from "../config.js";
import { CoordTokError } from "../errors.js";
import { product } from "../nn/product.js";
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
      const updated = treeEntries(params).map(([path, param], i) =>
        tidy((): [param: Tensor, momentum: Tensor] => {
          const gradient = gradientScale === 1 ? allGradients[i]! : mul(allGradients[i]!, gradientScale);
          const sum = add(mul(sums[i]!, decay), gradient);
          const { count = 1, rate: factor = 1 } = piecesOf(path);
          const direction = orthogonalPieces(add<Tensor2D>(gradient, mul(sum, decay)), count, iterations);
          return [sub(param, mul(direction, rate * factor)), sum];
        }),
      );
      return {
        params: treeFromLeaves(
          params,
          updated.map(([param]) => param),
        ),
        state: {
          momentum: treeFromLeaves(
            momentum,
            updated.map(([, sum]) => sum),
          ),
        },
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

function orthogonalPieces(matrix: Tensor2D, count: number, iterations: number): Tensor2D {
  if (count === 1) return nearlyOrthogonal(matrix, iterations);
  const [inputs, outputs] = matrix.shape;
  const size = outputs / count;
  const pieces = Array.from({ length: count }, (_, i) =>
    nearlyOrthogonal(slice(matrix, [0, i * size], [inputs, size]), iterations),
  );
  return concat(pieces, 1);
}

/** The coefficients of the iteration: small singular values come near 1 in a few steps, without converging to it (Jordan, 2024). */
const [linearTerm, cubicTerm, quinticTerm] = [3.4445, -4.775, 2.0315] as const;

/** Returns a matrix with the singular vectors of the given one and singular values near 1. */
function nearlyOrthogonal(matrix: Tensor2D, iterations: number): Tensor2D {
  const [inputs, outputs] = matrix.shape;
  return tidy(() => {
    const wide: Tensor2D = inputs > outputs ? transpose(matrix) : matrix;
    let x: Tensor2D = div(wide, add(globalNorm(wide), 1e-7));
    for (let i = 0; i < iterations; i++)
      x = tidy(() => {
        const square: Tensor2D = product(x, x, false, true);
        const polynomial = add<Tensor2D>(mul(square, cubicTerm), mul(product(square, square), quinticTerm));
        return add(mul(x, linearTerm), product(polynomial, x));
      });
    return inputs > outputs ? transpose(x) : x;
  });
}

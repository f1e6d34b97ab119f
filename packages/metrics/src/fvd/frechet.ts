import { checkSameDimension, covarianceOf, type PooledStatistics } from "./statistics.js";
import { choleskyFactor, product, symmetricEigenvalues, transposed } from "./symmetric.js";

/** The Fréchet distance of two Gaussians fitted to feature vectors, and its terms. */
export interface FrechetDistance {
  /** `meanTerm + traceTerm - 2 rootTerm`. */
  readonly distance: number;
  /** `|m1 - m2|^2` */
  readonly meanTerm: number;
  /** `tr(S1 + S2)` */
  readonly traceTerm: number;
  /** `tr root(root(S1) S2 root(S1))` */
  readonly rootTerm: number;
  /** Warnings about the number, one sentence each; usually none. */
  readonly warnings: readonly string[];
}

/** Eigenvalues below this keep their value instead of being replaced by their square root, as in the official evaluation. */
const rootThreshold = 1e-10;

/**
 * Computes the Fréchet distance between two sets of feature vectors in double precision: `|m1 - m2|^2 + tr(S1 + S2) - 2 tr root(S S2 S)`
 * with unbiased covariances and `S` the symmetric root of `S1`. As in the official evaluation, the outer root leaves singular values
 * below 1e-10 unchanged (`docs/spec.md#fvd`). With 1024 features it takes several seconds.
 * @throws CoordTokError `shape` for vectors of different lengths, `input` for fewer than two vectors.
 */
export function frechetDistance(a: PooledStatistics, b: PooledStatistics): FrechetDistance {
  checkSameDimension(a, b);
  const { dimension } = a;
  const [first, second] = [covarianceOf(a), covarianceOf(b)];
  const meanTerm = a.mean.reduce((sum, mean, i) => sum + (mean - b.mean[i]!) ** 2, 0);
  let traceTerm = 0;
  for (let i = 0; i < dimension; i++) traceTerm += first[i * (dimension + 1)]! + second[i * (dimension + 1)]!;
  const rootTerm = rootTraceOfProduct(first, second, dimension);
  return {
    distance: meanTerm + traceTerm - 2 * rootTerm,
    meanTerm,
    traceTerm,
    rootTerm,
    warnings: [a, b].flatMap(({ count }, set) => rankWarning(count, dimension, set)),
  };
}

/** The trace of the root. With `S1 = L L^T` the eigenvalues of `S S2 S` are those of `L^T S2 L`, so no eigenvectors are needed. */
function rootTraceOfProduct(first: Float64Array, second: Float64Array, size: number): number {
  const { rank, rows } = choleskyFactor(first, size);
  const inner = product(product(rows, second, rank, size, size), transposed(rows, rank, size), rank, size, rank);
  return symmetricEigenvalues(inner, rank).reduce((sum, value) => sum + officialRoot(value), 0);
}

/** The root of a singular value, which is the absolute value of the eigenvalue, since rounding leaves some slightly below 0. */
function officialRoot(eigenvalue: number): number {
  const singular = Math.abs(eigenvalue);
  return singular < rootThreshold ? singular : Math.sqrt(singular);
}

function rankWarning(count: number, dimension: number, set: number): string[] {
  if (count > dimension) return [];
  return [
    `The ${set === 0 ? "first" : "second"} set has ${count} vectors of ${dimension} features: its covariance is singular and the distance too large; use more than ${dimension} vectors.`,
  ];
}

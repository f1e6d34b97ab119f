import type { Random } from "@coordtok/core";
import { planeNames } from "@coordtok/triplane";
import { ones, tensor2d, zeros, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import { CholeskyDecomposition, Matrix, QrDecomposition } from "ml-matrix";
import type { LatticeConfig } from "../config.js";
import { coordinateValues } from "../coordinates.js";
import type { InputMoments } from "./moments.js";

/** The factor times the largest eigenvalue that is added to the diagonal of second moments before inputs are whitened. */
const whiteningFloor = 1e-3;
/** Features whose root mean square is below this are scaled as if it were this. */
const weakestFeature = 0.05;
/** The scale of the orthonormal matrix of the position maps. */
const positionGain = 0.5;
/** The standard deviation of the maps of the blocks, times `1 / sqrt(E)`. */
const blockDeviation = 0.7;

/** Makes a kernel tensor from a matrix `[inputs, outputs]`. */
export function kernelTensor(matrix: Matrix): Tensor2D {
  return tensor2d(Float32Array.from(matrix.to1DArray()), [matrix.rows, matrix.columns]);
}

/**
 * Creates the parameters of a new model outside its linear path (`docs/spec.md#lattice-start`).
 * @param features the second moments of the features of the base maps.
 * @returns a function that gives a parameter by its path, owned by the caller; call it in the order of the parameters.
 */
export function freshMaps(
  config: LatticeConfig,
  moments: InputMoments,
  features: Matrix,
  random: Random,
): (name: string, shape: readonly number[]) => Tensor {
  const { width, channels } = config;
  const normal = (inputs: number, outputs: number, deviation: number): Matrix =>
    Matrix.from1DArray(inputs, outputs, Array.from(random.normals(inputs * outputs))).mul(deviation);
  const inBlocks = blockDeviation / Math.sqrt(width);
  const positions = orthonormal(coordinateValues, width, normal).mul(positionGain);
  const rules: readonly (readonly [RegExp, (inputs: number, outputs: number) => Matrix])[] = [
    [/ositions\.kernel$/, () => positions],
    [/^encoder\.video\.patch\.kernel$/, () => whitening(moments.blocks, width, normal)],
    ...planeNames.map(
      (plane) =>
        [
          new RegExp(`^encoder\\.queries\\.${plane}\\.kernel$`),
          () => whitening(moments.views[plane], width, normal),
        ] as const,
    ),
    [/^decoder\.features\.kernel$/, () => levelled(features, normal(3 * channels, width, 1 / Math.sqrt(3 * channels)))],
    [/\.(output|mlp\.contract)\.kernel$/, (inputs, outputs) => Matrix.zeros(inputs, outputs)],
    [/\.memoryAttention\.query\.kernel$/, () => Matrix.eye(width)],
    [/\.memoryAttention\.keyValue\.kernel$/, () => beside(Matrix.eye(width), normal(width, width, inBlocks))],
    [/\.kernel$/, (inputs, outputs) => normal(inputs, outputs, inBlocks)],
  ];
  return (name, shape) => {
    if (name.endsWith(".scale")) return ones([...shape]);
    const rule = rules.find(([pattern]) => pattern.test(name));
    return rule === undefined ? zeros([...shape]) : kernelTensor(rule[1](shape[0]!, shape[1]!));
  };
}

type Normal = (inputs: number, outputs: number, deviation: number) => Matrix;

/** A random matrix with orthonormal columns, or orthonormal rows when it has more columns than rows. */
function orthonormal(rows: number, columns: number, normal: Normal): Matrix {
  const size = Math.max(rows, columns);
  const { orthogonalMatrix } = new QrDecomposition(normal(size, size, 1));
  return orthogonalMatrix.subMatrix(0, rows - 1, 0, columns - 1);
}

/**
 * A random map from inputs with the given second moments to outputs of equal strength: normal draws times a root of the inverse
 * moment. Normal draws are invariant under rotation, so any root will do; that of Cholesky takes a tenth of the time.
 */
function whitening(moment: Matrix, outputs: number, normal: Normal): Matrix {
  const inputs = moment.rows;
  const floor = whiteningFloor * largestEigenvalue(moment);
  const damped = new CholeskyDecomposition(Matrix.add(moment, Matrix.eye(inputs).mul(floor)));
  // With the Cholesky factor L, solving L L' X = L Z gives X = L'^-1 Z.
  return damped.solve(damped.lowerTriangularMatrix.mmul(normal(inputs, outputs, 1 / Math.sqrt(inputs))));
}

/** The largest eigenvalue by the power method, accurate enough for a floor. */
function largestEigenvalue(moment: Matrix): number {
  let vector = Matrix.ones(moment.rows, 1);
  let value = 0;
  for (let i = 0; i < 50; i++) {
    vector = moment.mmul(vector);
    value = vector.norm();
    if (value === 0) return 0;
    vector.div(value);
  }
  return value;
}

/** A kernel whose inputs are divided by the root mean square of their features. */
function levelled(features: Matrix, kernel: Matrix): Matrix {
  features.diagonal().forEach((square, row) => kernel.mulRow(row, 1 / Math.max(weakestFeature, Math.sqrt(square))));
  return kernel;
}

function beside(left: Matrix, right: Matrix): Matrix {
  const both = Matrix.zeros(left.rows, left.columns + right.columns);
  return both.setSubMatrix(left, 0, 0).setSubMatrix(right, 0, left.columns);
}

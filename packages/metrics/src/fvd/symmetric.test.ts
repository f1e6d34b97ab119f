import { Random } from "@coordtok/core";
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { describe, expect, it } from "vitest";
import { choleskyFactor, product, symmetricEigenvalues, transposed } from "./symmetric.js";

function randomMatrix(random: Random, rows: number, columns: number): Float64Array {
  return Float64Array.from(random.normals(rows * columns));
}

function gram(x: Float64Array, rows: number, columns: number): Float64Array {
  return product(transposed(x, rows, columns), x, columns, rows, columns);
}

function largest(values: Iterable<number>): number {
  return Math.max(...Array.from(values, Math.abs));
}

function expectEigenvalues(matrix: Float64Array, size: number, expected: readonly number[]): void {
  const found = symmetricEigenvalues(matrix, size).sort();
  const wanted = [...expected].sort((a, b) => a - b);
  expect(found.length).toBe(size);
  found.forEach((value, i) =>
    expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(1e-13 * size * (largest(matrix) + 1e-300)),
  );
}

describe("eigenvalues of symmetric matrices", () => {
  for (const size of [1, 2, 3, 10, 65, 150])
    it(`are those of ml-matrix for random matrices of size ${size}`, () => {
      const x = randomMatrix(new Random(size), size, size);
      const symmetric = x.map((value, i) => value + x[(i % size) * size + Math.floor(i / size)]!);
      const rows = Array.from({ length: size }, (_, i) => symmetric.subarray(i * size, (i + 1) * size));
      const reference = new EigenvalueDecomposition(new Matrix(rows), { assumeSymmetric: true });
      expectEigenvalues(symmetric, size, reference.realEigenvalues);
    });

  it("of a diagonal matrix are its diagonal, zeros and equal ones included", () => {
    const diagonal = [3, 0, -2, 3, 1e-200, 1e200, 0];
    const matrix = new Float64Array(49);
    diagonal.forEach((value, i) => (matrix[i * 8] = value));
    expect([...symmetricEigenvalues(matrix, 7)].sort()).toEqual([...diagonal].sort());
  });

  it("of the second difference matrix are known in closed form", () => {
    const size = 40;
    const matrix = new Float64Array(size * size);
    for (let i = 0; i < size; i++) {
      matrix[i * (size + 1)] = 2;
      if (i > 0) matrix[i * size + i - 1] = matrix[(i - 1) * size + i] = -1;
    }
    const expected = Array.from({ length: size }, (_, k) => 2 - 2 * Math.cos(((k + 1) * Math.PI) / (size + 1)));
    expectEigenvalues(matrix, size, expected);
  });

  it("scale with the matrix from the smallest to the largest numbers", () => {
    const base = gram(randomMatrix(new Random(3), 12, 12), 12, 12);
    const values = [...symmetricEigenvalues(base, 12)].sort((a, b) => a - b);
    for (const scale of [1e-290, 1e-20, 1e20, 1e290]) {
      const scaled = base.map((value) => value * scale);
      expectEigenvalues(
        scaled,
        12,
        values.map((value) => value * scale),
      );
    }
  });

  it("an empty matrix has none", () => expect(symmetricEigenvalues(new Float64Array(0), 0)).toHaveLength(0));
});

describe("Cholesky factor", () => {
  for (const [samples, size] of [
    [30, 20],
    [20, 20],
    [7, 20],
    [1, 5],
  ] as const)
    // prettier-ignore
    it(`of a matrix of rank ${Math.min(samples, size)} and size ${size} has that rank and gives the matrix back`, () => {
      const matrix = gram(randomMatrix(new Random(samples), samples, size), samples, size);
      const { rank, rows } = choleskyFactor(matrix, size);
      expect(rank).toBe(Math.min(samples, size));
      const again = gram(rows, rank, size);
      expect(largest(again.map((value, i) => value - matrix[i]!))).toBeLessThan(1e-12 * largest(matrix));
    });

  it("of the zero matrix has rank 0", () => expect(choleskyFactor(new Float64Array(9), 3).rank).toBe(0));
});

describe("matrix product", () => {
  it("is the sum over the inner axis, for odd and even sizes", () => {
    const random = new Random(9);
    for (const [m, k, n] of [
      [1, 1, 1],
      [3, 5, 2],
      [4, 8, 7],
      [5, 6, 9],
      [2, 4, 4],
    ] as const) {
      // prettier-ignore
      const [a, b] = [randomMatrix(random, m, k), randomMatrix(random, k, n)];
      const made = product(a, b, m, k, n);
      for (let i = 0; i < m; i++)
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let l = 0; l < k; l++) sum += a[i * k + l]! * b[l * n + j]!;
          expect(made[i * n + j]).toBeCloseTo(sum, 12);
        }
    }
  });
});

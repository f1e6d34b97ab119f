/**
 * Computes the eigenvalues of a symmetric matrix `[size, size]`, row by row, in double precision and in no particular order. Householder
 * reflections make the matrix tridiagonal, then QL steps with implicit shifts make it diagonal (Golub and Van Loan, chapter 8). It computes
 * only eigenvalues, on one flat array: for size 1024 this takes a tenth of the time of a general library's decomposition
 * (`docs/decisions/0008-eigenvalues.md`).
 * @param matrix the matrix, of which only the lower half is read; not modified.
 */
export function symmetricEigenvalues(matrix: Float64Array, size: number): Float64Array {
  const { diagonal, beside } = tridiagonal(Float64Array.from(matrix), size);
  return tridiagonalEigenvalues(diagonal, beside);
}

interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** The subdiagonal: element i is between diagonal elements i and i + 1; the last is 0. */
  readonly beside: Float64Array;
}

/** Makes a matrix tridiagonal; overwrites the lower half of `a`. */
function tridiagonal(a: Float64Array, size: number): Tridiagonal {
  const diagonal = new Float64Array(size);
  const beside = new Float64Array(size);
  const v = new Float64Array(size);
  const w = new Float64Array(size);
  for (let k = 0; k < size - 1; k++) {
    diagonal[k] = a[k * size + k]!;
    const { tau, value } = reflection(a, size, k, v);
    beside[k] = value;
    if (tau !== 0) applyReflection(a, size, k + 1, tau, v, w);
  }
  if (size > 0) diagonal[size - 1] = a[size * size - 1]!;
  return { diagonal, beside };
}

/** The reflection `1 - tau v v^T` with `v[k+1] = 1` that maps column k below the diagonal to `(value, 0, ..., 0)`. */
function reflection(a: Float64Array, size: number, k: number, v: Float64Array): { tau: number; value: number } {
  const first = a[(k + 1) * size + k]!;
  let largest = 0;
  for (let i = k + 2; i < size; i++) largest = Math.max(largest, Math.abs(a[i * size + k]!));
  if (largest === 0) return { tau: 0, value: first };
  const scale = Math.max(largest, Math.abs(first));
  let squares = (first / scale) ** 2;
  for (let i = k + 2; i < size; i++) squares += (a[i * size + k]! / scale) ** 2;
  const norm = scale * Math.sqrt(squares);
  const value = first > 0 ? -norm : norm;
  v[k + 1] = 1;
  for (let i = k + 2; i < size; i++) v[i] = a[i * size + k]! / (first - value);
  return { tau: (value - first) / value, value };
}

/** Applies `H A H` to the lower right part from `begin` on: `A - v w^T - w v^T` with `w = tau A v - (tau^2/2)(v^T A v) v`. */
function applyReflection(
  a: Float64Array,
  size: number,
  begin: number,
  tau: number,
  v: Float64Array,
  w: Float64Array,
): void {
  w.fill(0, begin);
  for (let i = begin; i < size; i++) {
    const row = i * size;
    const vi = v[i]!;
    let sum = a[row + i]! * vi;
    for (let j = begin; j < i; j++) {
      const value = a[row + j]!;
      sum += value * v[j]!;
      w[j]! += value * vi;
    }
    w[i]! += sum;
  }
  let along = 0;
  for (let i = begin; i < size; i++) along += w[i]! * v[i]!;
  const shift = (tau * tau * along) / 2;
  for (let i = begin; i < size; i++) w[i] = tau * w[i]! - shift * v[i]!;
  for (let i = begin; i < size; i++) {
    const row = i * size;
    const [vi, wi] = [v[i]!, w[i]!];
    for (let j = begin; j <= i; j++) a[row + j]! -= vi * w[j]! + wi * v[j]!;
  }
}

/** The most steps for one eigenvalue; only numbers that are not finite need more. */
const mostSteps = 60;

/** Computes the eigenvalues of a tridiagonal matrix; overwrites both arrays and returns the diagonal. */
function tridiagonalEigenvalues(diagonal: Float64Array, beside: Float64Array): Float64Array {
  const size = diagonal.length;
  for (let l = 0; l < size; l++) {
    for (let step = 0; step < mostSteps; step++) {
      const m = blockEnd(diagonal, beside, l);
      if (m === l) break;
      qlStep(diagonal, beside, l, m);
    }
  }
  return diagonal;
}

/** The last row of the block that begins at row l, up to the first negligible element of the subdiagonal. */
function blockEnd(diagonal: Float64Array, beside: Float64Array, l: number): number {
  let m = l;
  while (m < diagonal.length - 1) {
    const scale = Math.abs(diagonal[m]!) + Math.abs(diagonal[m + 1]!);
    if (Math.abs(beside[m]!) <= Number.EPSILON * scale) break;
    m++;
  }
  return m;
}

/** One QL step with Wilkinson's shift on rows l to m. */
function qlStep(diagonal: Float64Array, beside: Float64Array, l: number, m: number): void {
  const half = (diagonal[l + 1]! - diagonal[l]!) / (2 * beside[l]!);
  const root = Math.hypot(half, 1);
  let g = diagonal[m]! - diagonal[l]! + beside[l]! / (half + (half < 0 ? -root : root));
  let [sine, cosine, shift] = [1, 1, 0];
  for (let i = m - 1; i >= l; i--) {
    const f = sine * beside[i]!;
    const b = cosine * beside[i]!;
    const radius = Math.hypot(f, g);
    beside[i + 1] = radius;
    if (radius === 0) {
      diagonal[i + 1]! -= shift;
      beside[m] = 0;
      return;
    }
    sine = f / radius;
    cosine = g / radius;
    g = diagonal[i + 1]! - shift;
    const turn = (diagonal[i]! - g) * sine + 2 * cosine * b;
    shift = sine * turn;
    diagonal[i + 1] = g + shift;
    g = cosine * turn - b;
  }
  diagonal[l]! -= shift;
  beside[l] = g;
  beside[m] = 0;
}

/**
 * Factors a symmetric matrix without negative eigenvalues, `matrix = L L^T`, by Cholesky's method with diagonal pivoting, which also finds
 * the rank of a singular matrix.
 * @param matrix `[size, size]` row by row; not modified.
 * @returns `L^T`, `[rank, size]` row by row.
 */
export function choleskyFactor(matrix: Float64Array, size: number): { rank: number; rows: Float64Array } {
  const remaining = Float64Array.from({ length: size }, (_, i) => matrix[i * (size + 1)]!);
  const negligible = size * Number.EPSILON * Math.max(0, ...remaining);
  const rows: Float64Array[] = [];
  while (rows.length < size) {
    let pivot = 0;
    for (let i = 1; i < size; i++) if (remaining[i]! > remaining[pivot]!) pivot = i;
    if (!(remaining[pivot]! > negligible)) break;
    const row = matrix.slice(pivot * size, (pivot + 1) * size);
    for (const earlier of rows) {
      const factor = earlier[pivot]!;
      if (factor !== 0) for (let j = 0; j < size; j++) row[j]! -= factor * earlier[j]!;
    }
    const root = Math.sqrt(remaining[pivot]!);
    for (let j = 0; j < size; j++) {
      row[j]! /= root;
      remaining[j]! -= row[j]! ** 2;
    }
    remaining[pivot] = 0;
    rows.push(row);
  }
  const flat = new Float64Array(rows.length * size);
  rows.forEach((row, i) => flat.set(row, i * size));
  return { rank: rows.length, rows: flat };
}

/**
 * Computes the product `[m, n]` of two matrices `[m, k]` and `[k, n]` of doubles, row by row. Each pass over `b` serves two rows and four
 * columns of `a`, which is about four times as fast as plain loops.
 */
export function product(a: Float64Array, b: Float64Array, m: number, k: number, n: number): Float64Array {
  const out = new Float64Array(m * n);
  const paired = m - (m % 2);
  for (let i = 0; i < paired; i += 2) addRowPair(out, a, b, i, k, n);
  if (paired < m)
    for (let l = 0; l < k; l++) {
      const factor = a[paired * k + l]!;
      for (let j = 0; j < n; j++) out[paired * n + j]! += factor * b[l * n + j]!;
    }
  return out;
}

function addRowPair(out: Float64Array, a: Float64Array, b: Float64Array, i: number, k: number, n: number): void {
  const [first, second] = [i * n, (i + 1) * n];
  const [left, right] = [i * k, (i + 1) * k];
  let l = 0;
  for (; l + 4 <= k; l += 4) {
    const [p0, p1, p2, p3] = [a[left + l]!, a[left + l + 1]!, a[left + l + 2]!, a[left + l + 3]!];
    const [q0, q1, q2, q3] = [a[right + l]!, a[right + l + 1]!, a[right + l + 2]!, a[right + l + 3]!];
    const [r0, r1, r2, r3] = [l * n, (l + 1) * n, (l + 2) * n, (l + 3) * n];
    for (let j = 0; j < n; j++) {
      const b0 = b[r0 + j]!;
      const b1 = b[r1 + j]!;
      const b2 = b[r2 + j]!;
      const b3 = b[r3 + j]!;
      out[first + j]! += p0 * b0 + p1 * b1 + p2 * b2 + p3 * b3;
      out[second + j]! += q0 * b0 + q1 * b1 + q2 * b2 + q3 * b3;
    }
  }
  for (; l < k; l++)
    for (let j = 0; j < n; j++) {
      out[first + j]! += a[left + l]! * b[l * n + j]!;
      out[second + j]! += a[right + l]! * b[l * n + j]!;
    }
}

/** Returns the transpose `[n, m]` of a matrix `[m, n]`. */
export function transposed(matrix: Float64Array, m: number, n: number): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) out[j * m + i] = matrix[i * n + j]!;
  return out;
}

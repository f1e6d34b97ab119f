import { checkInteger, checkRgbClip, CoordTokError, type RgbClip } from "@coordtok/core";

/** Opponent colours of red, green and blue: brightness, red against blue, green against both; an orthonormal matrix, row by row. */
const opponent = [
  [1 / Math.sqrt(3), 1 / Math.sqrt(3), 1 / Math.sqrt(3)],
  [1 / Math.sqrt(2), 0, -1 / Math.sqrt(2)],
  [1 / Math.sqrt(6), -2 / Math.sqrt(6), 1 / Math.sqrt(6)],
] as const;

/**
 * The three-dimensional discrete cosine transform (type II, orthonormal) of a whole clip in opponent colours: what a tokenizer has to be better than at
 * equal numbers. Kept numbers are exact; their places are not counted.
 */
export class ClipDct {
  /** The coefficients `[3, T, H, W]`, colours outermost, of bytes as they are. */
  readonly coefficients: Float32Array;
  readonly #size: readonly [frames: number, height: number, width: number];

  /** @throws CoordTokError `shape` for a clip whose bytes do not fit its size. */
  constructor(clip: RgbClip) {
    checkRgbClip(clip);
    const { data, frameCount, height, width } = clip;
    this.#size = [frameCount, height, width];
    const pixels = frameCount * height * width;
    this.coefficients = new Float32Array(3 * pixels);
    for (const [c, [red, green, blue]] of opponent.entries())
      for (let i = 0; i < pixels; i++)
        this.coefficients[c * pixels + i] = red * data[3 * i]! + green * data[3 * i + 1]! + blue * data[3 * i + 2]!;
    transformAll(this.coefficients, this.#size, (basis, n, k, i) => basis[k * n + i]!);
  }

  /**
   * The clip from the largest coefficients alone, the choice being that of this clip.
   * @param numbers how many are kept, from 1; more than there are means all.
   */
  fromLargest(numbers: number): RgbClip {
    const { length } = this.coefficients;
    const count = Math.min(length, checkInteger(numbers, "numbers", 1));
    const smallest = this.coefficients.map(Math.abs).sort()[length - count]!;
    const kept = this.coefficients.map((value) => (Math.abs(value) > smallest ? value : 0));
    // Of those that are equal to the smallest one, the first.
    let left = count - kept.reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0);
    for (let i = 0; left > 0 && i < length; i++)
      if (Math.abs(this.coefficients[i]!) === smallest) {
        kept[i] = this.coefficients[i]!;
        left--;
      }
    return this.#inverse(kept);
  }

  /**
   * The clip from coefficients whose choice is fixed beforehand.
   * @param order their places in {@link coefficients}, the most important first, as {@link dctOrder} gives it.
   * @param numbers how many are kept, from 1.
   * @throws CoordTokError `shape` for an order of another size.
   */
  fromFirst(order: Uint32Array, numbers: number): RgbClip {
    const { length } = this.coefficients;
    if (order.length !== length)
      throw new CoordTokError("shape", `Expected an order of the clip's ${length} coefficients, got ${order.length}.`);
    const kept = new Float32Array(length);
    for (const place of order.subarray(0, checkInteger(numbers, "numbers", 1))) kept[place] = this.coefficients[place]!;
    return this.#inverse(kept);
  }

  /** @param kept becomes something else. */
  #inverse(kept: Float32Array): RgbClip {
    const { length } = kept;
    const [frameCount, height, width] = this.#size;
    transformAll(kept, this.#size, (basis, n, k, i) => basis[i * n + k]!);
    const pixels = length / 3;
    const data = new Uint8Array(length);
    for (let i = 0; i < pixels; i++)
      for (let c = 0; c < 3; c++) {
        const value = opponent.reduce((sum, row, j) => sum + row[c]! * kept[j * pixels + i]!, 0);
        data[3 * i + c] = Math.min(255, Math.max(0, Math.round(value)));
      }
    return { data, frameCount, height, width };
  }
}

/**
 * The places of coefficients in the order of their energy over some clips, the largest first: the choice that {@link ClipDct.fromFirst} takes.
 * @param energies sums of squared coefficients, `[3, T, H, W]`.
 */
export function dctOrder(energies: ArrayLike<number>): Uint32Array {
  return Uint32Array.from({ length: energies.length }, (_, i) => i).sort((a, b) => energies[b]! - energies[a]!);
}

/** Transforms `[3, T, H, W]` in place along columns, rows and frames. */
function transformAll(
  values: Float32Array,
  [frames, height, width]: readonly [number, number, number],
  weight: Weight,
): void {
  transformAxis(values, width, 1, weight);
  transformAxis(values, height, width, weight);
  transformAxis(values, frames, width * height, weight);
}

/** What input `i` counts in output `k`, of the basis of a transform of length `n`. */
type Weight = (basis: Float64Array, n: number, k: number, i: number) => number;

/** Transforms lines of `n` values that lie `stride` apart. */
function transformAxis(values: Float32Array, n: number, stride: number, weight: Weight): void {
  const basis = basisOf(n);
  const matrix = Float64Array.from({ length: n * n }, (_, at) => weight(basis, n, Math.floor(at / n), at % n));
  const line = new Float64Array(n);
  for (let outer = 0; outer < values.length; outer += n * stride)
    for (let inner = 0; inner < stride; inner++) {
      const first = outer + inner;
      for (let i = 0; i < n; i++) line[i] = values[first + i * stride]!;
      for (let k = 0; k < n; k++) {
        let sum = 0;
        const row = k * n;
        for (let i = 0; i < n; i++) sum += matrix[row + i]! * line[i]!;
        values[first + k * stride] = sum;
      }
    }
}

/** The orthonormal cosines, one a row. */
function basisOf(n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, at) => {
    const [k, i] = [Math.floor(at / n), at % n];
    return Math.sqrt((k === 0 ? 1 : 2) / n) * Math.cos((Math.PI * (i + 0.5) * k) / n);
  });
}

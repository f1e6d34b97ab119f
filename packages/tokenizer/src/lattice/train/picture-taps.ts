/** A stack of pictures of one size, as RGB bytes row by row. */
export interface PictureStack {
  /** `[count, height, width, 3]` values of 0 to 255. */
  readonly data: Uint8Array;
  /** Rows of pixels. */
  readonly height: number;
  /** Columns of pixels. */
  readonly width: number;
}

/** Clamps a value to [low, high]. */
export function clamped(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/**
 * Samples the colour between pixels bilinearly and adds it to the target.
 * @param picture the index of the picture in the stack.
 * @param row 0 to height - 1.
 * @param column 0 to width - 1.
 * @param target receives three values of 0 to 255, starting at index `at`.
 */
export function sampleInto(
  { data, height, width }: PictureStack,
  picture: number,
  row: number,
  column: number,
  target: Float32Array,
  at: number,
): void {
  const top = Math.floor(row);
  const left = Math.floor(column);
  const [down, right] = [row - top, column - left];
  const first = (picture * height + top) * width * 3;
  const second = top + 1 < height ? first + width * 3 : first;
  const [a, b] = [left * 3, Math.min(left + 1, width - 1) * 3];
  for (let c = 0; c < 3; c++) {
    const above = data[first + a + c]! * (1 - right) + data[first + b + c]! * right;
    const below = data[second + a + c]! * (1 - right) + data[second + b + c]! * right;
    target[at + c] = above * (1 - down) + below * down;
  }
}

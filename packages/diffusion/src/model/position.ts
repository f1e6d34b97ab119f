/**
 * Computes the fixed positions of a grid of tokens: the first half of the width encodes the column, the second half the row, each as sines, then
 * cosines, of `position / 10000^(k / (width / 4))` (`docs/spec.md#sin-cos-positions`).
 * @param width a multiple of 4.
 * @returns `rows * columns * width` numbers in double precision, row by row.
 */
export function sinCosPositions(rows: number, columns: number, width: number): Float64Array {
  const quarter = width / 4;
  const along = (count: number): Float64Array => {
    const table = new Float64Array(count * 2 * quarter);
    for (let position = 0; position < count; position++)
      for (let k = 0; k < quarter; k++) {
        const angle = position * 10000 ** (-k / quarter);
        table[position * 2 * quarter + k] = Math.sin(angle);
        table[position * 2 * quarter + quarter + k] = Math.cos(angle);
      }
    return table;
  };
  const ofColumn = along(columns);
  const ofRow = along(rows);
  const positions = new Float64Array(rows * columns * width);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const at = (row * columns + column) * width;
      positions.set(ofColumn.subarray(column * 2 * quarter, (column + 1) * 2 * quarter), at);
      positions.set(ofRow.subarray(row * 2 * quarter, (row + 1) * 2 * quarter), at + 2 * quarter);
    }
  return positions;
}

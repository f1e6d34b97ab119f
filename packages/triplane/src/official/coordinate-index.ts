/**
 * The cell that the official decoder takes a coordinate for: `trunc(fp32(coordinate * (n-1)))`. For some n this is one less than the
 * cell that the coordinate was made from (fixture `tokenizer/coordinate-index`); new work carries whole numbers instead.
 * @param coordinate an fp32 number of 0 to 1.
 * @param cells n, cells along the axis.
 */
export function officialIndex(coordinate: number, cells: number): number {
  return Math.trunc(Math.fround(coordinate * (cells - 1)));
}

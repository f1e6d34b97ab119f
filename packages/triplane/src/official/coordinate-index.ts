/**
 * The patch that the official decoder takes a coordinate for: `trunc(fp32(coordinate * (n-1)))`. For some n this is one less than the
 * place that the coordinate was made from (fixture `tokenizer/coordinate-index`); new work carries whole numbers instead.
 * @param coordinate an fp32 number of 0 to 1.
 * @param count n, patches along the axis.
 */
export function officialIndex(coordinate: number, count: number): number {
  return Math.trunc(Math.fround(coordinate * (count - 1)));
}

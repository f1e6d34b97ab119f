/**
 * Returns the index of the patch at which the official decoder places a coordinate: `trunc(fp32(coordinate * (n-1)))`. For some n this is
 * one less than the index that the coordinate was made from (`docs/spec.md#index-quirk`); all other code carries the index itself.
 * @param coordinate an fp32 number from 0 to 1.
 * @param count n, the number of patches along the axis.
 */
export function officialIndex(coordinate: number, count: number): number {
  return Math.trunc(Math.fround(coordinate * (count - 1)));
}

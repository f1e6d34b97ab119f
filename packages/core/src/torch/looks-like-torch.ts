import type { RangeSource } from "../checkpoint/range-source.js";

/** Tells whether a file begins like a PyTorch checkpoint, which is a zip archive or a pickle. */
export async function looksLikeTorch(source: RangeSource): Promise<boolean> {
  const start = await source.read(0, Math.min(source.size, 4));
  const isZip = start[0] === 0x50 && start[1] === 0x4b && start[2] === 3 && start[3] === 4;
  return isZip || (start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5);
}

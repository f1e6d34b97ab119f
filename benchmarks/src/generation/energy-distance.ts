/**
 * The energy distance of two sets of vectors: `2 E|a - b| - E|a - a'| - E|b - b'|`, means over different vectors. It is 0 on average for two
 * sets from one distribution, whatever their sizes, and needs no covariance, so that a few vectors of many numbers will do.
 */
export function energyDistance(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  return 2 * meanDistance(a, b) - meanDistance(a, a) - meanDistance(b, b);
}

function meanDistance(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  let sum = 0;
  let count = 0;
  for (const [i, first] of a.entries())
    for (const [j, second] of b.entries()) {
      if (a === b && i === j) continue;
      sum += distance(first, second);
      count++;
    }
  return sum / count;
}

function distance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(sum);
}

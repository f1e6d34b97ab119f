import { CoordTokError } from "@coordtok/core";

/**
 * Computes Pearson's correlation of two series, -1 to 1, or `NaN` if one of them is constant.
 * @throws CoordTokError `input` unless both have the same length, at least 2, and only finite numbers.
 */
export function pearson(x: readonly number[], y: readonly number[]): number {
  if (x.length !== y.length || x.length < 2)
    throw new CoordTokError(
      "input",
      `Expected two series of equal length of at least 2, got ${x.length} and ${y.length}.`,
    );
  if (![...x, ...y].every(Number.isFinite))
    throw new CoordTokError(
      "input",
      "Expected finite numbers in both series; leave out pairs such as the infinite PSNR of equal clips.",
    );
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  let [xx, yy, xy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [x[i]! - meanX, y[i]! - meanY];
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return xx === 0 || yy === 0 ? NaN : Math.max(-1, Math.min(1, xy / Math.sqrt(xx * yy)));
}

/**
 * Computes Spearman's rank correlation of two series: {@link pearson} of their ranks; equal values share the mean of their ranks.
 * @throws CoordTokError `input` as {@link pearson}.
 */
export function spearman(x: readonly number[], y: readonly number[]): number {
  if (![...x, ...y].every(Number.isFinite)) return pearson(x, y);
  return pearson(ranks(x), ranks(y));
}

function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const out = new Array<number>(values.length);
  for (let begin = 0; begin < order.length;) {
    let end = begin + 1;
    while (end < order.length && values[order[end]!] === values[order[begin]!]) end++;
    for (let i = begin; i < end; i++) out[order[i]!] = (begin + end - 1) / 2;
    begin = end;
  }
  return out;
}
